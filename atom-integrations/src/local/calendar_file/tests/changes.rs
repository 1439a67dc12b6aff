//! Series with changed occurrences, and what messages do to events.

use super::*;

const SERIES: &str = "BEGIN:VEVENT\nUID:s\nSUMMARY:Weekly\nDTSTART;TZID=Europe/Berlin:20240304T090000\n\
                      DTEND;TZID=Europe/Berlin:20240304T100000\nRRULE:FREQ=WEEKLY;COUNT=5\nEND:VEVENT\n";

/// The events of March and April as `id start-end title`.
async fn listed(components: &str, include_cancelled: bool) -> Vec<String> {
    let arguments =
        json!({ "from": "2024-03-01", "until": "2024-05-01", "include_cancelled": include_cancelled });
    let answer = call("events.list", &[("a.ics", &calendar(components))], arguments)
        .await
        .unwrap();
    assert_eq!(answer["skipped"], json!([]), "{components}");
    let events = answer["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let end = text(&event["end"]["at"]);
            format!(
                "{} {}/{} {} {}",
                text(&event["remote_id"]),
                start(event),
                &end[11..16],
                text(&event["title"]),
                text(&event["status"])
            )
        })
        .collect()
}

fn week(day: &str, title: &str) -> String {
    let hour = if day < "03-31" { 8 } else { 7 };
    format!(
        "s@2024-{day}T0{hour}:00:00Z 2024-{day}T0{hour}:00:00Z/0{}:00 {title} confirmed",
        hour + 1
    )
}

#[tokio::test]
async fn an_occurrence_can_be_moved_renamed_and_cancelled() {
    let weeks = ["03-04", "03-11", "03-18", "03-25", "04-01"].map(|day| week(day, "Weekly"));
    assert_eq!(listed(SERIES, false).await, weeks);

    let moved = "BEGIN:VEVENT\nUID:s\nSUMMARY:Moved\nRECURRENCE-ID;TZID=Europe/Berlin:20240311T090000\n\
                 DTSTART;TZID=Europe/Berlin:20240313T150000\nDTEND;TZID=Europe/Berlin:20240313T160000\nEND:VEVENT\n";
    let mut expected = weeks.clone();
    expected[1] = "s@2024-03-11T08:00:00Z 2024-03-13T14:00:00Z/15:00 Moved confirmed".to_owned();
    // The order of the components does not matter, nor how the occurrence is named.
    assert_eq!(listed(&format!("{SERIES}{moved}"), false).await, expected);
    assert_eq!(listed(&format!("{moved}{SERIES}"), false).await, expected);
    let by_utc = moved.replace(
        "RECURRENCE-ID;TZID=Europe/Berlin:20240311T090000",
        "RECURRENCE-ID:20240311T080000Z",
    );
    assert_eq!(listed(&format!("{SERIES}{by_utc}"), false).await, expected);

    let cancelled = "BEGIN:VEVENT\nUID:s\nRECURRENCE-ID:20240318T080000Z\nDTSTART:20240318T080000Z\n\
                     DTEND:20240318T090000Z\nSTATUS:CANCELLED\nEND:VEVENT\n";
    let mut expected = weeks.to_vec();
    expected.remove(2);
    assert_eq!(listed(&format!("{SERIES}{cancelled}"), false).await, expected);
    assert_eq!(listed(&format!("{SERIES}{cancelled}"), true).await.len(), 5);
}

#[tokio::test]
async fn an_occurrence_moved_into_the_span_from_far_away_is_found() {
    let moved = "BEGIN:VEVENT\nUID:s\nSUMMARY:Moved\nRECURRENCE-ID:20240304T080000Z\nDTSTART:20250701T080000Z\nEND:VEVENT\n";
    let file = calendar(&format!("{SERIES}{moved}"));
    assert_eq!(
        starts(&file, "2025-07-01", "2025-07-02", "UTC").await,
        ["2025-07-01T08:00:00Z"]
    );
    assert_eq!(
        starts(&file, "2024-03-04", "2024-03-05", "UTC").await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_change_of_this_and_all_later_occurrences_moves_them_all() {
    let later = "BEGIN:VEVENT\nUID:s\nSUMMARY:Later\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20240318T090000\n\
                 DTSTART;TZID=Europe/Berlin:20240319T110000\nDURATION:PT30M\nEND:VEVENT\n";
    assert_eq!(
        listed(&format!("{SERIES}{later}"), false).await,
        [
            week("03-04", "Weekly"),
            week("03-11", "Weekly"),
            "s@2024-03-18T08:00:00Z 2024-03-19T10:00:00Z/10:30 Later confirmed".to_owned(),
            "s@2024-03-25T08:00:00Z 2024-03-26T10:00:00Z/10:30 Later confirmed".to_owned(),
            // Still at eleven, after the clock has changed.
            "s@2024-04-01T07:00:00Z 2024-04-02T09:00:00Z/09:30 Later confirmed".to_owned(),
        ]
    );
}

#[tokio::test]
async fn an_all_day_series_is_changed_by_its_days() {
    let series = "BEGIN:VEVENT\nUID:d\nDTSTART;VALUE=DATE:20240304\nRRULE:FREQ=DAILY;COUNT=3\nEND:VEVENT\n";
    let moved =
        "BEGIN:VEVENT\nUID:d\nRECURRENCE-ID;VALUE=DATE:20240305\nDTSTART;VALUE=DATE:20240310\nEND:VEVENT\n";
    let file = calendar(&format!("{series}{moved}"));
    for zone in ["UTC", "Pacific/Auckland", "America/Los_Angeles"] {
        assert_eq!(
            starts(&file, "2024-03-01", "2024-04-01", zone).await,
            ["2024-03-04", "2024-03-06", "2024-03-10"]
        );
    }
}

#[tokio::test]
async fn the_newest_version_of_an_event_counts() {
    let version = |sequence: u8, title: &str| {
        format!(
            "BEGIN:VEVENT\nUID:1\nSEQUENCE:{sequence}\nSUMMARY:{title}\nDTSTART:20240304T080000Z\nEND:VEVENT\n"
        )
    };
    for (first, second) in [((1, "old"), (2, "new")), ((2, "new"), (1, "old"))] {
        let text = version(first.0, first.1) + &version(second.0, second.1);
        let found = listed(&text, false).await;
        assert_eq!(found, ["1 2024-03-04T08:00:00Z/08:00 new confirmed"]);
    }
}

#[tokio::test]
async fn messages_cancel_events_and_replies_are_not_events() {
    let event =
        "BEGIN:VEVENT\nUID:1\nSEQUENCE:1\nDTSTART:20240304T080000Z\nRRULE:FREQ=DAILY;COUNT=2\nEND:VEVENT";
    let request = format!("BEGIN:VCALENDAR\nMETHOD:REQUEST\n{event}\nEND:VCALENDAR\n");
    let cancel = |sequence: u8, more: &str| {
        format!(
            "BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nUID:1\nSEQUENCE:{sequence}\nDTSTART:20240304T080000Z\n{more}END:VEVENT\nEND:VCALENDAR\n"
        )
    };
    for (file, count) in [
        (request.clone(), 2),
        (format!("{request}{}", cancel(2, "")), 0),
        (format!("{}{request}", cancel(2, "")), 0),
        (format!("{request}{}", cancel(0, "")), 2),
        (
            format!("{request}{}", cancel(2, "RECURRENCE-ID:20240304T080000Z\n")),
            1,
        ),
    ] {
        assert_eq!(
            starts(&file, "2024-03-01", "2024-04-01", "UTC").await.len(),
            count,
            "{file}"
        );
    }
    let reply = request.replace("REQUEST", "REPLY");
    let answer = call(
        "events.list",
        &[("a.ics", &reply)],
        json!({ "from": "2024-03-04" }),
    )
    .await
    .unwrap();
    assert_eq!(
        (&answer["events"], &answer["skipped"][0]["line"]),
        (&json!([]), &json!(3))
    );
}
