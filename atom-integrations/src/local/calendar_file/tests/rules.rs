//! Recurrence rules against the examples of RFC 5545 section 3.8.5.3, and against the parser's own expansion.

use std::collections::BTreeSet;

use calcard::Parser;
use jiff::ToSpan;
use jiff::civil::{DateTime, date, datetime};
use proptest::prelude::*;

use super::super::recurrence::{MAX_OCCURRENCES, TooMany, occurrences};
use super::super::rule::Rule;

fn expand(rule: &str, start: DateTime, from: DateTime, until: DateTime) -> Result<Vec<DateTime>, TooMany> {
    occurrences(&Rule::parse(rule).unwrap(), start, from, until, &mut 0)
}

fn first(rule: &str, start: DateTime, number: usize) -> Vec<String> {
    let mut times = expand(rule, start, start, start.saturating_add(40.years())).unwrap();
    times.truncate(number);
    times
        .iter()
        .map(|time| time.strftime("%Y-%m-%d %H:%M").to_string())
        .collect()
}

/// `1997: 09-02 09-03, 1998: 01-01` as days at nine o'clock.
fn days(text: &str) -> Vec<String> {
    text.split(", ")
        .flat_map(|year| {
            let (year, days) = year.split_once(": ").unwrap();
            days.split(' ').map(move |day| format!("{year}-{day} 09:00"))
        })
        .collect()
}

#[test]
fn the_examples_of_the_standard_come_out_as_it_says() {
    let start = |month, day| datetime(1997, month, day, 9, 0, 0, 0);
    for (rule, start, expected) in [
        (
            "FREQ=DAILY;COUNT=10",
            start(9, 2),
            "1997: 09-02 09-03 09-04 09-05 09-06 09-07 09-08 09-09 09-10 09-11",
        ),
        (
            "FREQ=DAILY;INTERVAL=10;COUNT=5",
            start(9, 2),
            "1997: 09-02 09-12 09-22 10-02 10-12",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
            start(9, 2),
            "1997: 09-02 09-16 09-30 10-14 10-28 11-11 11-25 12-09 12-23, 1998: 01-06",
        ),
        (
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            start(9, 2),
            "1997: 09-02 09-04 09-09 09-11 09-16 09-18 09-23 09-25 09-30 10-02 10-07",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
            start(9, 2),
            "1997: 09-02 09-04 09-16 09-18 09-30 10-02 10-14 10-16",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            start(9, 5),
            "1997: 09-05 10-03 11-07 12-05, 1998: 01-02 02-06 03-06 04-03 05-01 06-05",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            start(9, 7),
            "1997: 09-07 09-28 11-02 11-30, 1998: 01-04 01-25 03-01 03-29 05-03 05-31",
        ),
        (
            "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
            start(9, 22),
            "1997: 09-22 10-20 11-17 12-22, 1998: 01-19 02-16",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-3",
            start(9, 28),
            "1997: 09-28 10-29 11-28 12-29, 1998: 01-29 02-26",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            start(9, 30),
            "1997: 09-30 10-01 10-31 11-01 11-30 12-01 12-31, 1998: 01-01 01-31 02-01",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            start(9, 10),
            "1997: 09-10 09-11 09-12 09-13 09-14 09-15, 1999: 03-10 03-11 03-12 03-13",
        ),
        (
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            start(6, 10),
            "1997: 06-10 07-10, 1998: 06-10 07-10, 1999: 06-10 07-10, 2000: 06-10 07-10, 2001: 06-10 07-10",
        ),
        (
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            start(1, 1),
            "1997: 01-01 04-10 07-19, 2000: 01-01 04-09 07-18, 2003: 01-01 04-10 07-19, 2006: 01-01",
        ),
        (
            "FREQ=YEARLY;BYDAY=20MO",
            start(5, 19),
            "1997: 05-19, 1998: 05-18, 1999: 05-17",
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            start(5, 12),
            "1997: 05-12, 1998: 05-11, 1999: 05-17",
        ),
        (
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            start(3, 13),
            "1997: 03-13 03-20 03-27, 1998: 03-05 03-12 03-19 03-26, 1999: 03-04 03-11 03-18 03-25",
        ),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            start(6, 13),
            "1997: 06-13, 1998: 02-13 03-13 11-13, 1999: 08-13, 2000: 10-13",
        ),
        (
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            start(9, 13),
            "1997: 09-13 10-11 11-08 12-13, 1998: 01-10 02-07 03-07 04-11 05-09 06-13",
        ),
        (
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            start(9, 4),
            "1997: 09-04 10-07 11-06",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            start(9, 29),
            "1997: 09-29 10-30 11-27 12-30, 1998: 01-29 02-26 03-30",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            start(8, 5),
            "1997: 08-05 08-10 08-19 08-24",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            start(8, 5),
            "1997: 08-05 08-17 08-19 08-31",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
            start(1, 15),
            "1997: 01-15 01-30 02-15 03-15 03-30",
        ),
    ] {
        let expected = days(expected);
        let mut found = first(rule, start, expected.len());
        // A day beyond a UTC end is cut off by who knows the zone.
        found.truncate(expected.len());
        assert_eq!(found, expected, "{rule}");
    }
    let election = "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8";
    assert_eq!(
        first(election, datetime(1996, 11, 5, 9, 0, 0, 0), 3),
        days("1996: 11-05, 2000: 11-07, 2004: 11-02")
    );
}

#[test]
fn rules_within_a_day_come_out_as_the_standard_says() {
    let start = datetime(1997, 9, 2, 9, 0, 0, 0);
    for (rule, expected) in [
        (
            "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000",
            "09:00 12:00 15:00",
        ),
        (
            "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
            "09:00 09:15 09:30 09:45 10:00 10:15",
        ),
        ("FREQ=MINUTELY;INTERVAL=90;COUNT=4", "09:00 10:30 12:00 13:30"),
        (
            "FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,20,40;COUNT=5",
            "09:00 09:20 09:40 10:00 10:20",
        ),
        (
            "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10;COUNT=5",
            "09:00 09:20 09:40 10:00 10:20",
        ),
        (
            "FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1;COUNT=3",
            "09:00 09:30 10:30",
        ),
    ] {
        let expected: Vec<_> = expected
            .split(' ')
            .map(|time| format!("1997-09-02 {time}"))
            .collect();
        assert_eq!(first(rule, start, 6), expected, "{rule}");
    }
}

#[test]
fn a_hostile_rule_is_bounded() {
    let start = datetime(1, 1, 1, 0, 0, 0, 0);
    let (from, until) = (datetime(2026, 1, 1, 0, 0, 0, 0), datetime(2026, 1, 2, 0, 0, 0, 0));
    for rule in [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=999999999",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39;BYSECOND=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59",
    ] {
        let mut steps = 0;
        let rule = Rule::parse(rule).unwrap();
        assert_eq!(
            occurrences(&rule, start, from, until, &mut steps),
            Err(TooMany),
            "{rule:?}"
        );
        assert!(steps <= 1_000_001, "{steps}");
    }
    // These are far less work than they look.
    for (rule, number) in [
        ("FREQ=DAILY;COUNT=999999999", 1),
        ("FREQ=MINUTELY", 1440),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 0),
        ("FREQ=SECONDLY;BYMONTH=7", 0),
        ("FREQ=DAILY;INTERVAL=4294967295", 0),
        ("FREQ=YEARLY;COUNT=4294967295;BYHOUR=0,1,2,3;BYMINUTE=0,30", 8),
    ] {
        let mut steps = 0;
        let found = occurrences(&Rule::parse(rule).unwrap(), start, from, until, &mut steps).unwrap();
        assert_eq!(found.len(), number, "{rule}");
        assert!(steps < 800_000, "{rule}: {steps}");
    }
}

/// Rules on which every reading of the standard agrees.
fn rules() -> impl Strategy<Value = String> {
    let list = |values: &'static [&'static str]| {
        proptest::collection::btree_set(proptest::sample::select(values), 0..4)
            .prop_map(|values| values.into_iter().collect::<Vec<_>>().join(","))
    };
    let part = |name: &'static str, values: &'static [&'static str]| {
        list(values).prop_map(move |list| {
            if list.is_empty() {
                list
            } else {
                format!(";{name}={list}")
            }
        })
    };
    let weekdays: &[&str] = &["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let numbered: &[&str] = &["1MO", "-1FR", "2TU", "SU", "-2WE", "5TH"];
    let months: &[&str] = &["1", "2", "6", "11", "12"];
    let month_days: &[&str] = &["1", "13", "28", "29", "31", "-1", "-3"];
    let hours: &[&str] = &["0", "9", "17", "23"];
    let hour_list = part("BYHOUR", hours);
    let month_list = part("BYMONTH", months);
    let yearly = (
        month_list.clone(),
        part("BYDAY", numbered),
        part("BYMONTHDAY", month_days),
    )
        .prop_map(|(months, days, month_days)| format!("YEARLY{months}{days}{month_days}"));
    let monthly = (
        month_list.clone(),
        part("BYDAY", numbered),
        part("BYMONTHDAY", month_days),
    )
        .prop_map(|(months, days, month_days)| format!("MONTHLY{months}{days}{month_days}"));
    let weekly = (
        month_list.clone(),
        part("BYDAY", weekdays),
        proptest::sample::select(&["MO", "SU", "WE"][..]),
    )
        .prop_map(|(months, days, start)| format!("WEEKLY{months}{days};WKST={start}"));
    let daily = (
        month_list,
        part("BYDAY", weekdays),
        part("BYMONTHDAY", month_days),
    )
        .prop_map(|(months, days, month_days)| format!("DAILY{months}{days}{month_days}"));
    (prop_oneof![yearly, monthly, weekly, daily], hour_list, 1..4_u8)
        .prop_map(|(rule, hours, interval)| format!("FREQ={rule}{hours};INTERVAL={interval}"))
}

fn starts() -> impl Strategy<Value = DateTime> {
    (0..4000_i64, 0..24_i8)
        .prop_map(|(days, hour)| date(2015, 1, 1).saturating_add(days.days()).at(hour, 30, 0, 0))
}

/// What calcard makes of the same rule, from the start on.
fn reference(rule: &str, start: DateTime, limit: usize) -> Vec<DateTime> {
    let start = start.strftime("%Y%m%dT%H%M%S");
    let text = format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:{start}\r\nRRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let calcard::Entry::ICalendar(calendar) = Parser::new(&text).entry() else {
        panic!("{text}")
    };
    let expanded = calendar.expand_dates(calcard::common::timezone::Tz::Floating, limit);
    expanded
        .events
        .iter()
        .map(|event| {
            event
                .start
                .naive_local()
                .format("%Y-%m-%dT%H:%M:%S")
                .to_string()
                .parse()
                .unwrap()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_rule_agrees_with_an_independent_expansion(rule in rules(), start in starts()) {
        let reference = reference(&rule, start, 40);
        let Some(last) = reference.last() else { return Ok(()) };
        let found = expand(&rule, start, start, last.saturating_add(1.second())).unwrap();
        // The start is the first occurrence even when the rule does not name it.
        let expected: BTreeSet<_> = reference.iter().copied().chain([start]).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_window_holds_what_the_whole_holds_there(
        rule in rules(), start in starts(), count in proptest::option::of(1..200_u32), begin in -100..2000_i64, length in 1..500_i64,
    ) {
        let rule = count.map_or(rule.clone(), |count| format!("{rule};COUNT={count}"));
        let (from, until) = (start.saturating_add(begin.days()), start.saturating_add((begin + length).days()));
        let window = expand(&rule, start, from, until).unwrap();
        let whole = expand(&rule, start, start, start.saturating_add(2600.days())).unwrap();
        let expected: Vec<_> = whole.iter().copied().filter(|time| *time >= from && *time < until).collect();
        prop_assert_eq!(window, expected);
        if let Some(count) = count {
            prop_assert!(whole.len() <= count as usize);
        }
        prop_assert!(whole.len() <= MAX_OCCURRENCES);
    }
}
