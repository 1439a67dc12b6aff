use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::Cron;

/// The next times after a moment of the zone, as its clocks show them.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(expression, zone).unwrap();
    let after: DateTime = after.parse().unwrap();
    let mut moment = after.to_zoned(TimeZone::get(zone).unwrap()).unwrap().timestamp();
    let mut found = Vec::new();
    for _ in 0..count {
        moment = cron.next_after(moment).unwrap();
        found.push(cron.local(moment).strftime("%m-%d %H:%M%:z").to_string());
    }
    found
}

#[test]
fn fields_mean_what_they_say() {
    for (expression, expected) in [
        ("* * * * *", ["01-01 00:01", "01-01 00:02", "01-01 00:03"]),
        ("*/20 * * * *", ["01-01 00:20", "01-01 00:40", "01-01 01:00"]),
        ("0 0 * * *", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
        ("@daily", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
        ("@Hourly", ["01-01 01:00", "01-01 02:00", "01-01 03:00"]),
        ("5,35 8-18/4 * * *", ["01-01 08:05", "01-01 08:35", "01-01 12:05"]),
        ("0 9 * * MON-fri", ["01-01 09:00", "01-02 09:00", "01-05 09:00"]),
        ("0 9 * * 7", ["01-04 09:00", "01-11 09:00", "01-18 09:00"]),
        ("0 9 * * sat-sun", ["01-03 09:00", "01-04 09:00", "01-10 09:00"]),
        ("0 9 * * */2", ["01-01 09:00", "01-03 09:00", "01-04 09:00"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        (
            "0 0 1 feb,JUN-Dec/3 *",
            ["02-01 00:00", "06-01 00:00", "09-01 00:00"],
        ),
        // Both days restricted: either is enough.
        ("0 0 13 * 5", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        // One of them begins with a star: both must fit.
        ("0 0 */10 * 4", ["05-21 00:00", "06-11 00:00", "10-01 00:00"]),
    ] {
        let found = next(expression, "UTC", "2026-01-01T00:00:00", 3);
        let expected = expected.map(|time| format!("{time}+00:00"));
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn a_29_february_is_found_even_across_a_century() {
    assert_eq!(
        next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00", 1),
        ["02-29 00:00+00:00"]
    );
    let cron = Cron::parse("0 0 29 2 *", "UTC").unwrap();
    let next = cron.next_after("2096-03-01T00:00:00Z".parse().unwrap());
    assert_eq!(next, Some("2104-02-29T00:00:00Z".parse().unwrap()));
}

#[test]
fn the_end_of_the_calendar_is_no_time() {
    let cron = Cron::parse("* * * * *", "Europe/Berlin").unwrap();
    assert_eq!(cron.next_after(Timestamp::MAX), None);
}

#[test]
fn what_is_not_a_cron_expression_is_refused_with_a_reason() {
    for (expression, reason) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 0 * * * *", "6 fields"),
        ("60 * * * *", "from 0 to 59"),
        ("* 24 * * *", "from 0 to 23"),
        ("* * 0 * *", "from 1 to 31"),
        ("* * * 13 *", "from 1 to 12"),
        ("* * * * 8", "from 0 to 7"),
        ("* * * foo *", "a name from jan to dec"),
        ("-1 * * * *", "'' is not a number"),
        ("+1 * * * *", "'+1' is not a number"),
        ("1,,2 * * * *", "'' is not a number"),
        ("*/0 * * * *", "must be from 1"),
        ("*/60 * * * *", "must be from 1"),
        ("5/10 * * * *", "write 5-59/…"),
        ("* 22-2 * * *", "runs backwards"),
        ("0 0 L * *", "'L' is not"),
        ("0 0 ? * *", "'?' is not"),
        ("0 0 * * 5#2", "'5#2' is not"),
        ("@reboot", "1 fields"),
        ("0 0 30 2 *", "never come"),
        ("0 0 31 4,6,9,11 *", "never come"),
    ] {
        let error = Cron::parse(expression, "UTC").unwrap_err();
        assert!(error.message().contains(reason), "{expression}: {error}");
    }
    let error = Cron::parse("* * * * *", "Europe/Berlni").unwrap_err();
    assert!(error.message().contains("not a time zone"), "{error}");
    assert!(Cron::parse(&"1,".repeat(1000), "UTC").is_err());
}

#[test]
fn a_fixed_time_that_the_clock_skips_comes_when_it_was_moved() {
    for (expression, zone, after, expected) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00",
            ["03-29 03:00+02:00", "03-30 02:30+02:00"],
        ),
        (
            "0,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00",
            ["03-29 03:00+02:00", "03-30 02:00+02:00"],
        ),
        // The time right after the gap and one within it are one moment.
        (
            "30 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00",
            ["03-29 03:00+02:00", "03-29 03:30+02:00"],
        ),
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00",
            ["03-29 03:00+02:00", "03-30 02:00+02:00"],
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00",
            ["03-08 03:00-04:00", "03-09 02:30-04:00"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00",
            ["10-04 02:30+11:00", "10-05 02:15+11:00"],
        ),
        // A whole day was skipped.
        (
            "0 9 30 12 *",
            "Pacific/Apia",
            "2011-12-01T00:00:00",
            ["12-31 00:00+14:00", "12-30 09:00+14:00"],
        ),
    ] {
        assert_eq!(next(expression, zone, after, 2), expected, "{expression} {zone}");
    }
}

#[test]
fn a_fixed_time_that_comes_twice_counts_once() {
    for (expression, zone, after, expected) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00",
            ["10-25 02:30+02:00", "10-26 02:30+01:00"],
        ),
        (
            "15,45 1-3 * * *",
            "Europe/Berlin",
            "2026-10-25T02:30:00",
            ["10-25 02:45+02:00", "10-25 03:15+01:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00",
            ["11-01 01:30-04:00", "11-02 01:30-05:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00",
            ["04-05 01:45+11:00", "04-06 01:45+10:30"],
        ),
    ] {
        assert_eq!(next(expression, zone, after, 2), expected, "{expression} {zone}");
    }
}

#[test]
fn a_moment_within_the_repeated_hour_does_not_bring_it_back() {
    let cron = Cron::parse("30 2 * * *", "Europe/Berlin").unwrap();
    // 02:10 for the second time.
    let next = cron.next_after("2026-10-25T01:10:00Z".parse().unwrap());
    assert_eq!(next, Some("2026-10-26T01:30:00Z".parse().unwrap()));
}

#[test]
fn other_expressions_follow_the_clock() {
    for (expression, zone, after, expected) in [
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00",
            ["03-29 01:00+01:00", "03-29 03:00+02:00"],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00",
            ["03-30 02:00+02:00", "03-30 02:30+02:00"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:30:00",
            ["10-25 02:00+02:00", "10-25 02:00+01:00"],
        ),
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01T01:15:00",
            ["11-01 01:30-04:00", "11-01 01:00-05:00"],
        ),
        (
            "*/20 * * * *",
            "Australia/Lord_Howe",
            "2026-04-05T01:35:00",
            ["04-05 01:40+11:00", "04-05 01:40+10:30"],
        ),
        (
            "*/20 * * * *",
            "Australia/Lord_Howe",
            "2026-10-04T01:35:00",
            ["10-04 01:40+10:30", "10-04 02:40+11:00"],
        ),
    ] {
        assert_eq!(next(expression, zone, after, 2), expected, "{expression} {zone}");
    }
}

/// A field as text, and what it means.
fn field(first: u8, last: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
    let list = proptest::collection::vec(first..=last, 1..4).prop_map(|values| {
        let texts: Vec<_> = values.iter().map(u8::to_string).collect();
        (texts.join(","), values)
    });
    let range = (first..=last, first..=last, 1..=20_u8).prop_map(move |(a, b, step)| {
        let (from, to) = (a.min(b), a.max(b));
        let step = step.min(last);
        let values = (from..=to).step_by(step.into()).collect();
        (format!("{from}-{to}/{step}"), values)
    });
    let open = (1..=20_u8).prop_map(move |step| {
        let step = step.min(last);
        (format!("*/{step}"), (first..=last).step_by(step.into()).collect())
    });
    prop_oneof![2 => Just(("*".to_owned(), (first..=last).collect())), 2 => list, 1 => range, 1 => open]
}

/// Hours near those at which clocks are moved.
fn hour() -> impl Strategy<Value = (String, Vec<u8>)> {
    prop_oneof![1 => field(0, 23), 2 => field(0, 4)].prop_map(|(text, values)| {
        if text.starts_with('*') {
            let step: usize = text.strip_prefix("*/").map_or(1, |step| step.parse().unwrap());
            return (text, (0..=23).step_by(step).collect());
        }
        (text, values)
    })
}

/// The rule minute by minute: what the clock shows must match; the minutes that a fixed expression has not been shown
/// yet all count when it shows a later one.
fn oracle(
    times: &impl Fn(DateTime) -> bool,
    is_fixed: bool,
    zone: &TimeZone,
    from: Timestamp,
    minutes: i64,
) -> Vec<Timestamp> {
    let minute = SignedDuration::from_mins(1);
    let mut shown = zone.to_datetime(from);
    // Nothing was repeated when the time before the oracle begins is far from any change.
    let mut found = Vec::new();
    for number in 1..=minutes {
        let moment = from + minute * i32::try_from(number).unwrap();
        let now = zone.to_datetime(moment);
        if is_fixed {
            let mut is_due = false;
            while shown < now {
                shown = shown.checked_add(minute).unwrap();
                is_due |= times(shown);
            }
            if is_due {
                found.push(moment);
            }
        } else if times(now) {
            found.push(moment);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn every_minute_around_a_change_of_the_clock_is_as_the_rule_says(
        minute in field(0, 59),
        hour in hour(),
        weekday in field(0, 6),
        change in proptest::sample::select(vec![
            ("Europe/Berlin", "2026-03-28T00:00:00Z"), ("Europe/Berlin", "2026-10-24T00:00:00Z"),
            ("America/New_York", "2026-03-07T00:00:00Z"), ("America/New_York", "2026-10-31T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"), ("Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
            ("Africa/Casablanca", "2026-02-13T00:00:00Z"), ("America/St_Johns", "2006-04-01T00:00:00Z"),
        ]),
    ) {
        let (zone, from) = change;
        let expression = format!("{} {} * * {}", minute.0, hour.0, weekday.0);
        let cron = Cron::parse(&expression, zone).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let from: Timestamp = from.parse().unwrap();
        let byte = |value: i8| u8::try_from(value).unwrap();
        let times = |time: DateTime| {
            minute.1.contains(&byte(time.minute()))
                && hour.1.contains(&byte(time.hour()))
                && weekday.1.contains(&byte(time.weekday().to_sunday_zero_offset()))
        };
        let is_fixed = !minute.0.starts_with('*') && !hour.0.starts_with('*');
        let days = 4 * 24 * 60;
        let expected = oracle(&times, is_fixed, &zone, from, days);
        let end = from + SignedDuration::from_mins(days);
        let (mut found, mut moment) = (Vec::new(), from);
        while let Some(next) = cron.next_after(moment).filter(|next| *next <= end) {
            prop_assert!(next > moment, "{expression}: {next} is not after {moment}");
            found.push(next);
            moment = next;
        }
        prop_assert_eq!(&found, &expected, "{}", expression);
        // Wherever it is asked from, the answer is the first of the same times.
        for minutes in (0..days).step_by(97) {
            let moment = from + SignedDuration::from_mins(minutes) + SignedDuration::from_secs(13);
            let next = cron.next_after(moment).filter(|next| *next <= end);
            prop_assert_eq!(next, expected.iter().copied().find(|time| *time > moment), "{}", expression);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9*/,@a-z -]{0,24}|\\PC{0,20}") {
        let _ = Cron::parse(&text, "UTC");
    }
}
