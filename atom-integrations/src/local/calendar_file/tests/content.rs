//! What events say, what an answer looks like, and what a broken file costs.

use super::*;
use atom_core::ErrorCode;

#[tokio::test]
async fn an_event_carries_what_the_file_says() {
    let file = event(
        "SUMMARY:Plan\\, review\\; ship\nDESCRIPTION:First line\\nSecond li\n ne\nLOCATION:Room 1\nSTATUS:TENTATIVE\n\
         TRANSP:TRANSPARENT\nURL:https://example.com/1\nCREATED:20240101T120000Z\nLAST-MODIFIED:20240102T120000Z\n\
         ORGANIZER;CN=\"Lovelace, Ada\":mailto:ada@example.com\n\
         ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:MAILTO:bob@example.com\nATTENDEE;PARTSTAT=DECLINED:mailto:eve@example.com\n\
         ATTENDEE;PARTSTAT=TENTATIVE;EMAIL=kim@example.com:urn:uuid:1\nATTENDEE:mailto:max@example.com\n\
         DTSTART;TZID=Europe/Berlin:20240304T090000\nDTEND;TZID=America/New_York:20240304T090000",
    );
    let answer = call(
        "events.list",
        &[("a.ics", &file)],
        json!({ "from": "2024-03-04" }),
    )
    .await
    .unwrap();
    let expected = json!({
        "events": [{
            "id": "calendar_file:1",
            "connector": "calendar_file",
            "remote_id": "1",
            "url": "https://example.com/1",
            "created_at": "2024-01-01T12:00:00Z",
            "updated_at": "2024-01-02T12:00:00Z",
            "extra": { "file": "a.ics", "line": 4 },
            "title": "Plan, review; ship",
            "start": { "at": "2024-03-04T08:00:00Z", "zone": "Europe/Berlin" },
            "end": { "at": "2024-03-04T14:00:00Z", "zone": "America/New_York" },
            "is_all_day": false,
            "description": "First line\nSecond line",
            "location": "Room 1",
            "organizer": { "name": "Lovelace, Ada", "address": "ada@example.com" },
            "attendees": [
                { "name": "Bob", "address": "bob@example.com", "response": "accepted" },
                { "address": "eve@example.com", "response": "declined" },
                { "address": "kim@example.com", "response": "tentative" },
                { "address": "max@example.com", "response": "needs_action" },
            ],
            "status": "tentative",
            "is_free": true,
        }],
        "total": 1,
        "skipped": [],
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn events_come_by_start_and_title_and_a_limit_keeps_the_count() {
    let one = |uid: &str, title: &str, start: &str| {
        format!("BEGIN:VEVENT\nUID:{uid}\nSUMMARY:{title}\nDTSTART{start}\nEND:VEVENT\n")
    };
    let components = one("1", "b", ":20240304T080000Z")
        + &one("2", "a", ":20240304T080000Z")
        + &one("3", "c", ";VALUE=DATE:20240304");
    for (limit, expected) in [(3, vec!["c", "a", "b"]), (1, vec!["c"])] {
        let arguments = json!({ "from": "2024-03-04", "limit": limit });
        let answer = call("events.list", &[("a.ics", &calendar(&components))], arguments)
            .await
            .unwrap();
        let titles: Vec<_> = answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["title"].as_str().unwrap())
            .collect();
        assert_eq!((titles, &answer["total"]), (expected, &json!(3)));
    }
}

#[tokio::test]
async fn a_folder_is_read_as_one_calendar() {
    let one = |uid: &str, hour: u8| {
        calendar(&format!(
            "BEGIN:VEVENT\nUID:{uid}\nDTSTART:20240304T0{hour}0000Z\nEND:VEVENT"
        ))
    };
    let files = [
        ("b.ICS", one("1", 9)),
        ("a.ics", one("2", 8)),
        ("copy.ics", one("1", 9)),
        ("note.txt", "x".into()),
        ("bad.ics", "\nno".into()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let answer = call("events.list", &files, json!({ "from": "2024-03-04" }))
        .await
        .unwrap();
    let found: Vec<_> = answer["events"].as_array().unwrap().iter().map(start).collect();
    assert_eq!(found, ["2024-03-04T08:00:00Z", "2024-03-04T09:00:00Z"]);
    assert_eq!(answer["skipped"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&answer["skipped"][0]["path"], &answer["skipped"][0]["line"]),
        (&json!("bad.ics"), &json!(2))
    );
}

#[tokio::test]
async fn a_broken_event_is_skipped_with_its_line_and_reason() {
    for (lines, reason) in [
        ("SUMMARY:x", "DTSTART is missing"),
        ("DTSTART:soon", "DTSTART 'soon' is malformed"),
        (
            "DTSTART:20240230T090000Z",
            "DTSTART is not a date or time that exists",
        ),
        (
            "DTSTART:20240304T250000Z",
            "DTSTART is not a date or time that exists",
        ),
        (
            "DTSTART;TZID=Nowhere/Land:20240304T090000",
            "the time zone 'Nowhere/Land' is unknown",
        ),
        (
            "DTSTART;TZID=../../etc/passwd:20240304T090000",
            "the time zone '../../etc/passwd' is unknown",
        ),
        (
            "DTSTART:20240304T090000Z\nDTEND:20240304T080000Z",
            "it ends before it starts",
        ),
        (
            "DTSTART:20240304T090000Z\nDTEND;VALUE=DATE:20240305",
            "it starts with a time but ends with a day",
        ),
        (
            "DTSTART;VALUE=DATE:20240304\nDURATION:PT1H",
            "an all-day event lasts whole days",
        ),
        (
            "DTSTART:20240304T090000Z\nDURATION:-PT1H",
            "it ends before it starts",
        ),
        (
            "DTSTART:99991231T235959Z\nDURATION:P99999W",
            "it starts or ends outside the years 1 to 9999",
        ),
        (
            "DTSTART:20240304T090000Z\nRRULE:FREQ=SOMETIMES",
            "RRULE: FREQ: 'SOMETIMES' is not a frequency",
        ),
        (
            "DTSTART;VALUE=DATE:20240304\nRRULE:FREQ=HOURLY",
            "RRULE: an all-day event cannot repeat within a day",
        ),
        (
            "DTSTART:20240304T090000Z\nEXDATE:never",
            "EXDATE 'never' is malformed",
        ),
        (
            "DTSTART:20240304T090000Z\nEXRULE:FREQ=DAILY",
            "EXRULE is not supported; use EXDATE",
        ),
    ] {
        let components = format!(
            "BEGIN:VEVENT\nUID:good\nDTSTART:20240304T100000Z\nEND:VEVENT\nBEGIN:VEVENT\nUID:bad\n{lines}\nEND:VEVENT"
        );
        let answer = call(
            "events.list",
            &[("a.ics", &calendar(&components))],
            json!({ "from": "2024-03-04" }),
        )
        .await
        .unwrap();
        assert_eq!(answer["events"].as_array().unwrap().len(), 1, "{lines}");
        assert_eq!(
            answer["skipped"],
            json!([{ "path": "a.ics", "line": 8, "reason": reason }]),
            "{lines}"
        );
    }
}

#[tokio::test]
async fn a_hostile_rule_is_skipped_and_named() {
    let file = event("DTSTART:00010101T000000Z\nRRULE:FREQ=SECONDLY");
    let answer = call(
        "events.list",
        &[("a.ics", &file)],
        json!({ "from": "2024-03-04" }),
    )
    .await
    .unwrap();
    assert_eq!(answer["events"], json!([]));
    let reason = answer["skipped"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("1000000 steps") && reason.contains("10000 occurrences"),
        "{reason}"
    );

    let many: String = (0..36)
        .map(|uid| {
            format!("BEGIN:VEVENT\nUID:{uid}\nDTSTART:20240101T000000Z\nRRULE:FREQ=MINUTELY\nEND:VEVENT\n")
        })
        .collect();
    let arguments = json!({ "from": "2024-03-04", "until": "2024-03-06" });
    let error = call("events.list", &[("a.ics", &calendar(&many))], arguments).await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::LimitExceeded);
}

#[tokio::test]
async fn a_small_file_cannot_grow_into_a_huge_answer() {
    let text = format!(
        "SUMMARY:{}\nDTSTART:20240304T000000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY",
        "x".repeat(100_000)
    );
    for (lines, reason) in [
        (text, "64 MiB"),
        (
            format!(
                "DTSTART:20240304T000000Z\nEXDATE:{}",
                "20240304T000000Z,".repeat(50_000)
            ),
            "50000 values",
        ),
        (
            format!("DTSTART:20240304T000000Z\nSUMMARY{}:x", ";X=1".repeat(50_000)),
            "50000 values",
        ),
    ] {
        let answer = call(
            "events.list",
            &[("a.ics", &event(&lines))],
            json!({ "from": "2024-03-04" }),
        )
        .await
        .unwrap();
        assert_eq!(answer["events"], json!([]));
        let found = answer["skipped"][0]["reason"].as_str().unwrap();
        assert!(found.contains(reason), "{found}");
    }
    let long = format!(
        "SUMMARY:{}\nDTSTART:20240304T000000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY;COUNT=500",
        "x".repeat(100_000)
    );
    let answer = call(
        "conflicts.list",
        &[("a.ics", &event(&long))],
        json!({ "from": "2024-03-04" }),
    )
    .await
    .unwrap();
    let number = answer["conflicts"].as_array().unwrap().len();
    assert!(
        (300..=335).contains(&number) && answer["has_more"] == true,
        "{number}"
    );
}

#[tokio::test]
async fn a_single_file_that_is_no_calendar_is_refused() {
    for (text, line) in [("", "1"), ("\n\nhello", "3"), ("\u{0}\u{1}\u{ff}", "1")] {
        let error = call("events.list", &[("a.ics", text)], json!({ "from": "2024-03-04" }))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.context()["line"].as_str()),
            (ErrorCode::InvalidData, line)
        );
        assert_eq!(error.operation(), Some("calendar_file.events.list"));
    }
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() {
    for arguments in [
        json!({}),
        json!({ "from": "tomorrow" }),
        json!({ "from": "2024-03-04T09:00:00" }),
        json!({ "from": "2024-03-04", "until": "2024-03-04" }),
        json!({ "from": "2024-03-04", "zone": "Mars/Base" }),
        json!({ "from": "2024-03-04", "limit": 0 }),
        json!({ "from": "2024-03-04", "limit": 5001 }),
        json!({ "from": "2024-03-04", "unknown": 1 }),
    ] {
        for operation in ["events.list", "conflicts.list"] {
            let error = call(operation, &[("a.ics", &calendar(""))], arguments.clone())
                .await
                .unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{arguments}");
        }
    }
}

#[tokio::test]
async fn a_large_line_and_odd_encodings_are_read() {
    let long = format!(
        "DESCRIPTION:{}\nDTSTART:20240304T090000Z",
        "x".repeat(10 * 1024 * 1024)
    );
    assert_eq!(
        starts(&event(&long), "2024-03-04", "2024-03-05", "UTC")
            .await
            .len(),
        1
    );

    let folder = tempfile::tempdir().unwrap();
    let text = event("SUMMARY:Größe\nDTSTART:20240304T090000Z");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    for bytes in [utf16, latin1, format!("\u{feff}{text}").into_bytes()] {
        let path = folder.path().join("a.ics");
        std::fs::write(&path, bytes).unwrap();
        let window = super::super::operations::window("2024-03-04", None, None).unwrap();
        let context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
        let shown = crate::local::walk::ShownPaths::new(&context);
        let (events, skipped) = super::super::load::events(
            &path,
            &FileAccess::everywhere(),
            &shown,
            &window,
            &context.cancellation,
        )
        .unwrap();
        assert_eq!((events[0].title.as_str(), skipped.len()), ("Größe", 0));
        context.cancellation.cancel();
        let cancelled = super::super::load::events(
            &path,
            &FileAccess::everywhere(),
            &shown,
            &window,
            &context.cancellation,
        )
        .unwrap_err();
        assert_eq!(cancelled.code(), ErrorCode::Cancelled);
    }
    let path = folder.path().join("large.ics");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(super::super::load::MAX_FILE_BYTES + 1)
        .unwrap();
    let context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
    let window = super::super::operations::window("2024-03-04", None, None).unwrap();
    let shown = crate::local::walk::ShownPaths::new(&context);
    let error = super::super::load::events(
        &path,
        &FileAccess::everywhere(),
        &shown,
        &window,
        &context.cancellation,
    )
    .unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

mod no_input_panics {
    use super::*;
    use proptest::prelude::*;

    /// Lines that are nearly right, and nonsense.
    fn lines() -> impl Strategy<Value = String> {
        let names = &[
            "DTSTART",
            "DTEND",
            "DURATION",
            "RRULE",
            "RDATE",
            "EXDATE",
            "RECURRENCE-ID",
            "TZID",
            "TZOFFSETTO",
            "TZOFFSETFROM",
            "UID",
            "SUMMARY",
            "ATTENDEE",
            "STATUS",
            "BEGIN",
            "END",
            "SEQUENCE",
            "",
        ][..];
        let parameters = &[
            "",
            ";VALUE=DATE",
            ";VALUE=PERIOD",
            ";VALUE=RECUR",
            ";VALUE=X",
            ";TZID=Europe/Berlin",
            ";TZID=\"",
            ";ENCODING=BASE64",
            ";ENCODING=QUOTED-PRINTABLE;CHARSET=X",
            ";RANGE=THISANDFUTURE",
            ";=",
        ][..];
        let values = &[
            "20240304T090000Z",
            "20240304",
            "00000000",
            "99999999T999999Z",
            "20240304T090000Z/PT1H",
            "PT1H",
            "P99999999999W",
            "-P1D",
            "FREQ=DAILY;COUNT=3",
            "FREQ=YEARLY;BYDAY=-53SU;BYSETPOS=-366",
            "VEVENT",
            "VTIMEZONE",
            "STANDARD",
            "+9999",
            "-0100",
            "=\r\n =",
            "\r\n\t",
            "9223372036854775808",
        ][..];
        let value = prop_oneof![
            proptest::sample::select(values).prop_map(str::to_owned),
            "\\PC{0,12}",
            any::<String>()
        ];
        (
            proptest::sample::select(names),
            proptest::sample::select(parameters),
            value,
        )
            .prop_map(|(name, parameter, value)| format!("{name}{parameter}:{value}\r\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whatever_the_file_holds(lines in proptest::collection::vec(lines(), 0..12), zone in proptest::collection::vec(lines(), 0..6)) {
            let text = format!(
                "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\n{}END:STANDARD\r\nEND:VTIMEZONE\r\n\
                 BEGIN:VEVENT\r\n{}END:VEVENT\r\nEND:VCALENDAR\r\n",
                zone.concat(), lines.concat()
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.ics");
            std::fs::write(&path, text).unwrap();
            let window = super::super::super::operations::window("2024-03-04", Some("2024-04-04"), None).unwrap();
            let context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
            let shown = crate::local::walk::ShownPaths::new(&context);
            if let Ok((events, _)) = super::super::super::load::events(&path, &FileAccess::everywhere(), &shown, &window, &context.cancellation) {
                for event in events {
                    let (start, end) = window.bounds(&event).unwrap();
                    prop_assert!(start <= end && start < window.until && end >= window.from);
                }
            }
        }
    }
}
