//! When events take place.

use super::*;

#[tokio::test]
async fn a_weekly_meeting_stays_at_nine_across_both_changes_of_the_clock() {
    for (zone, day, from, until, expected) in [
        (
            "Europe/Berlin",
            "20240325",
            "2024-03-20",
            "2024-04-05",
            "2024-03-25T08:00:00Z 2024-04-01T07:00:00Z",
        ),
        (
            "Europe/Berlin",
            "20241021",
            "2024-10-20",
            "2024-11-01",
            "2024-10-21T07:00:00Z 2024-10-28T08:00:00Z",
        ),
        (
            "America/New_York",
            "20240304",
            "2024-03-01",
            "2024-03-15",
            "2024-03-04T14:00:00Z 2024-03-11T13:00:00Z",
        ),
        (
            "America/New_York",
            "20241028",
            "2024-10-25",
            "2024-11-08",
            "2024-10-28T13:00:00Z 2024-11-04T14:00:00Z",
        ),
        (
            "Australia/Sydney",
            "20240401",
            "2024-03-28",
            "2024-04-12",
            "2024-03-31T22:00:00Z 2024-04-07T23:00:00Z",
        ),
        (
            "Australia/Sydney",
            "20240930",
            "2024-09-28",
            "2024-10-11",
            "2024-09-29T23:00:00Z 2024-10-06T22:00:00Z",
        ),
        // Windows names mean the same.
        (
            "W. Europe Standard Time",
            "20240325",
            "2024-03-20",
            "2024-04-05",
            "2024-03-25T08:00:00Z 2024-04-01T07:00:00Z",
        ),
    ] {
        let file = event(&format!(
            "DTSTART;TZID={zone}:{day}T090000\nDTEND;TZID={zone}:{day}T100000\nRRULE:FREQ=WEEKLY"
        ));
        assert_eq!(
            starts(&file, from, until, "UTC").await,
            split(expected),
            "{zone} {day}"
        );
    }
}

#[tokio::test]
async fn each_way_to_write_a_time_is_understood() {
    for (lines, zone, expected) in [
        ("DTSTART:20240701T120000Z", "UTC", "2024-07-01T12:00:00Z"),
        ("DTSTART:20240701T120000", "UTC", "2024-07-01T12:00:00Z"),
        ("DTSTART:20240701T120000", "Europe/Berlin", "2024-07-01T10:00:00Z"),
        (
            "DTSTART;TZID=Europe/Berlin:20240701T120000",
            "Asia/Tokyo",
            "2024-07-01T10:00:00Z",
        ),
        (
            "DTSTART;TZID=\"Europe/Berlin\":20240701T120000",
            "UTC",
            "2024-07-01T10:00:00Z",
        ),
        (
            "DTSTART;TZID=/freeassociation.sourceforge.net/Tzfile/Europe/Berlin:20240701T120000",
            "UTC",
            "2024-07-01T10:00:00Z",
        ),
        (
            "DTSTART;TZID=Eastern Standard Time:20240701T120000",
            "UTC",
            "2024-07-01T16:00:00Z",
        ),
        (
            "DTSTART;VALUE=DATE-TIME;TZID=Europe/Berlin:20240701T120000",
            "UTC",
            "2024-07-01T10:00:00Z",
        ),
        ("DTSTART;VALUE=DATE:20240701", "Europe/Berlin", "2024-07-01"),
        ("DTSTART:20240701", "UTC", "2024-07-01"),
        // A time left out by the clock, and one that occurs twice (RFC 5545 section 3.3.5).
        (
            "DTSTART;TZID=America/New_York:20240310T023000",
            "UTC",
            "2024-03-10T07:30:00Z",
        ),
        (
            "DTSTART;TZID=America/New_York:20241103T013000",
            "UTC",
            "2024-11-03T05:30:00Z",
        ),
    ] {
        assert_eq!(
            starts(&event(lines), "2024-01-01", "2025-01-01", zone).await,
            split(expected),
            "{lines}"
        );
    }
}

#[tokio::test]
async fn a_zone_that_only_the_file_describes_is_followed() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:16010101T030000\n\
                TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
                BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
                RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE";
    let at = |start: &str, more: &str| {
        calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Customized Time Zone:{start}\n{more}\nEND:VEVENT\n{zone}"
        ))
    };
    for (start, expected) in [
        ("20240330T090000", "2024-03-30T08:00:00Z"),
        ("20240331T015900", "2024-03-31T00:59:00Z"),
        ("20240331T023000", "2024-03-31T01:30:00Z"),
        ("20240331T030000", "2024-03-31T01:00:00Z"),
        ("20241027T023000", "2024-10-27T00:30:00Z"),
        ("20241027T030000", "2024-10-27T02:00:00Z"),
        ("20241231T090000", "2024-12-31T08:00:00Z"),
    ] {
        assert_eq!(
            starts(&at(start, ""), "2024-01-01", "2025-01-01", "UTC").await,
            split(expected),
            "{start}"
        );
    }
    assert_eq!(
        starts(
            &at("20240325T090000", "RRULE:FREQ=WEEKLY;UNTIL=20240401T070000Z"),
            "2024-03-01",
            "2024-06-01",
            "UTC"
        )
        .await,
        split("2024-03-25T08:00:00Z 2024-04-01T07:00:00Z")
    );
    let named = calendar(
        "BEGIN:VTIMEZONE\nTZID:Home\nX-LIC-LOCATION:Europe/Berlin\nEND:VTIMEZONE\n\
         BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Home:20240701T120000\nEND:VEVENT",
    );
    assert_eq!(
        starts(&named, "2024-07-01", "2024-07-02", "UTC").await,
        ["2024-07-01T10:00:00Z"]
    );
}

#[tokio::test]
async fn an_event_ends_where_the_standard_says() {
    let berlin = "DTSTART;TZID=Europe/Berlin:20240330T120000";
    for (lines, end) in [
        ("DTSTART:20240330T120000Z", "2024-03-30T12:00:00Z"),
        ("DTSTART;VALUE=DATE:20240330", "2024-03-31"),
        (
            "DTSTART;VALUE=DATE:20240330\nDTEND;VALUE=DATE:20240330",
            "2024-03-31",
        ),
        (
            "DTSTART;VALUE=DATE:20240330\nDTEND;VALUE=DATE:20240402",
            "2024-04-02",
        ),
        ("DTSTART;VALUE=DATE:20240330\nDURATION:P1W", "2024-04-06"),
        (
            "DTSTART:20240330T120000Z\nDURATION:PT1H30M",
            "2024-03-30T13:30:00Z",
        ),
        (
            "DTSTART:20240330T120000Z\nDTEND;TZID=America/New_York:20240330T090000",
            "2024-03-30T13:00:00Z",
        ),
        // A day is a day on the calendar, 24 hours are 24 hours: the clock changes in between.
        (&format!("{berlin}\nDURATION:P1D"), "2024-03-31T10:00:00Z"),
        (&format!("{berlin}\nDURATION:PT24H"), "2024-03-31T11:00:00Z"),
    ] {
        let answer = call(
            "events.list",
            &[("a.ics", &event(lines))],
            json!({ "from": "2024-03-30" }),
        )
        .await
        .unwrap();
        let found = &answer["events"][0]["end"];
        assert_eq!(
            found["at"].as_str().or(found["date"].as_str()),
            Some(end),
            "{lines}: {answer}"
        );
    }
}

#[tokio::test]
async fn further_and_excluded_dates_change_a_series() {
    let base = "DTSTART;TZID=Europe/Berlin:20240325T090000\nRRULE:FREQ=DAILY;COUNT=4\n";
    let all = "2024-03-25T08:00:00Z 2024-03-26T08:00:00Z 2024-03-27T08:00:00Z 2024-03-28T08:00:00Z";
    let without = "2024-03-25T08:00:00Z 2024-03-28T08:00:00Z";
    for (lines, expected) in [
        ("", all),
        (
            "EXDATE;TZID=Europe/Berlin:20240326T090000,20240327T090000",
            without,
        ),
        ("EXDATE:20240326T080000Z\nEXDATE:20240327T080000Z", without),
        ("EXDATE;VALUE=DATE:20240326,20240327", without),
        ("EXDATE;TZID=Europe/Berlin:20240326T100000", all),
        (
            "RDATE;TZID=Europe/Berlin:20240401T150000,20240326T090000",
            &format!("{all} 2024-04-01T13:00:00Z"),
        ),
        (
            "RDATE;VALUE=DATE:20240401",
            &format!("{all} 2024-04-01T07:00:00Z"),
        ),
        (
            "RDATE;VALUE=PERIOD:20240401T100000Z/PT2H",
            &format!("{all} 2024-04-01T10:00:00Z"),
        ),
        ("RDATE:20240401T100000Z\nEXDATE:20240401T100000Z", all),
    ] {
        let file = event(&format!("{base}{lines}"));
        assert_eq!(
            starts(&file, "2024-03-01", "2024-05-01", "UTC").await,
            split(expected),
            "{lines}"
        );
    }
    let days = event(
        "DTSTART;VALUE=DATE:20240325\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20240326\nRDATE;VALUE=DATE:20240402",
    );
    assert_eq!(
        starts(&days, "2024-03-01", "2024-05-01", "Asia/Tokyo").await,
        split("2024-03-25 2024-03-27 2024-04-02")
    );
}

#[tokio::test]
async fn a_rule_ends_with_the_moment_or_day_it_names() {
    let expected = |last: i32| -> Vec<_> {
        (25..=last)
            .map(|day| format!("2024-03-{day}T08:00:00Z"))
            .collect()
    };
    for (until, last) in [
        ("20240327T080000Z", 27),
        ("20240327T075959Z", 26),
        ("20240327T090000", 27),
        ("20240327T085959", 26),
        ("20240327", 27),
    ] {
        let file = event(&format!(
            "DTSTART;TZID=Europe/Berlin:20240325T090000\nRRULE:FREQ=DAILY;UNTIL={until}"
        ));
        assert_eq!(
            starts(&file, "2024-03-01", "2024-05-01", "UTC").await,
            expected(last),
            "{until}"
        );
    }
}

#[tokio::test]
async fn only_what_overlaps_the_span_is_listed() {
    let timed = event("DTSTART:20240701T100000Z\nDTEND:20240701T110000Z");
    let moment = event("DTSTART:20240701T100000Z");
    let day = event("DTSTART;VALUE=DATE:20240701");
    let series = event("DTSTART:20240601T220000Z\nDTEND:20240602T020000Z\nRRULE:FREQ=DAILY");
    for (file, from, until, zone, count) in [
        (&timed, "2024-07-01T10:59:59Z", "2024-07-01T12:00:00Z", "UTC", 1),
        (&timed, "2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z", "UTC", 0),
        (&timed, "2024-07-01T09:00:00Z", "2024-07-01T10:00:00Z", "UTC", 0),
        (
            &timed,
            "2024-07-01T12:00:00+02:00",
            "2024-07-01T12:01:00+02:00",
            "UTC",
            1,
        ),
        (&moment, "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "UTC", 1),
        (&moment, "2024-07-01T09:00:00Z", "2024-07-01T10:00:00Z", "UTC", 0),
        (&day, "2024-07-01", "2024-07-02", "Asia/Tokyo", 1),
        (&day, "2024-07-02", "2024-07-03", "Asia/Tokyo", 0),
        (
            &day,
            "2024-06-30T15:00:00Z",
            "2024-06-30T16:00:00Z",
            "Asia/Tokyo",
            1,
        ),
        (&day, "2024-06-30T15:00:00Z", "2024-06-30T16:00:00Z", "UTC", 0),
        // The one that began the evening before is still running.
        (&series, "2024-07-01", "2024-07-02", "UTC", 2),
    ] {
        assert_eq!(
            starts(file, from, until, zone).await.len(),
            count,
            "{from} {until} {zone}"
        );
    }
}

#[tokio::test]
async fn a_long_event_reaches_into_a_later_span() {
    let file = event("DTSTART;VALUE=DATE:20240101\nDTEND;VALUE=DATE:20240601\nRRULE:FREQ=YEARLY");
    assert_eq!(
        starts(&file, "2026-05-31", "2026-06-01", "UTC").await,
        ["2026-01-01"]
    );
}

fn split(times: &str) -> Vec<String> {
    times.split(' ').map(str::to_owned).collect()
}
