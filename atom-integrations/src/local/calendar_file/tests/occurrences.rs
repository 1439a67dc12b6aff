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
            ["2024-03-25T08:00:00Z", "2024-04-01T07:00:00Z"],
        ),
        (
            "Europe/Berlin",
            "20241021",
            "2024-10-20",
            "2024-11-01",
            ["2024-10-21T07:00:00Z", "2024-10-28T08:00:00Z"],
        ),
        (
            "America/New_York",
            "20240304",
            "2024-03-01",
            "2024-03-15",
            ["2024-03-04T14:00:00Z", "2024-03-11T13:00:00Z"],
        ),
        (
            "America/New_York",
            "20241028",
            "2024-10-25",
            "2024-11-08",
            ["2024-10-28T13:00:00Z", "2024-11-04T14:00:00Z"],
        ),
        (
            "Australia/Sydney",
            "20240401",
            "2024-03-28",
            "2024-04-12",
            ["2024-03-31T22:00:00Z", "2024-04-07T23:00:00Z"],
        ),
        (
            "Australia/Sydney",
            "20240930",
            "2024-09-28",
            "2024-10-11",
            ["2024-09-29T23:00:00Z", "2024-10-06T22:00:00Z"],
        ),
    ] {
        let file = event(&format!(
            "DTSTART;TZID={zone}:{day}T090000\nDTEND;TZID={zone}:{day}T100000\nRRULE:FREQ=WEEKLY"
        ));
        assert_eq!(starts(&file, from, until, "UTC").await, expected, "{zone} {day}");
    }
}
