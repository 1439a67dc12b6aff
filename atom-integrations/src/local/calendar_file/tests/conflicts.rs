//! Which events clash.

use std::collections::BTreeSet;

use atom_core::model::{Address, Attendee, AttendeeResponse, Event, EventStatus, EventTime, Origin};
use jiff::Timestamp;
use proptest::prelude::*;

use super::super::conflicts::conflicts;
use super::*;

/// The pairs of conflicts as `first second minutes`.
async fn pairs(components: &[&str], more: Value) -> Vec<String> {
    let events: String = components
        .iter()
        .enumerate()
        .map(|(uid, lines)| format!("BEGIN:VEVENT\nUID:{uid}\nSUMMARY:{uid}\n{lines}\nEND:VEVENT\n"))
        .collect();
    let mut arguments = json!({ "from": "2024-03-04" });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = call("conflicts.list", &[("a.ics", &calendar(&events))], arguments)
        .await
        .unwrap();
    assert_eq!(answer["skipped"], json!([]));
    let conflicts = answer["conflicts"].as_array().unwrap();
    conflicts
        .iter()
        .map(|conflict| {
            let title = |side: &str| conflict[side]["title"].as_str().unwrap().to_owned();
            format!(
                "{} {} {}",
                title("first"),
                title("second"),
                conflict["overlap_minutes"]
            )
        })
        .collect()
}

#[tokio::test]
async fn only_what_takes_time_clashes() {
    let nine = "DTSTART:20240304T090000Z\nDTEND:20240304T100000Z";
    for (other, expected) in [
        (
            "DTSTART:20240304T093000Z\nDTEND:20240304T110000Z",
            &["0 1 30"][..],
        ),
        ("DTSTART:20240304T083000Z\nDTEND:20240304T110000Z", &["1 0 60"]),
        ("DTSTART:20240304T093000Z\nDTEND:20240304T093010Z", &["0 1 1"]),
        (
            "DTSTART:20240304T093000Z\nDURATION:PT1H\nSTATUS:TENTATIVE",
            &["0 1 30"],
        ),
        (
            "DTSTART;TZID=Asia/Tokyo:20240304T180000\nDURATION:PT1H",
            &["0 1 60"],
        ),
        (
            "DTSTART:20240303T093000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY",
            &["0 1 30"],
        ),
        ("DTSTART:20240304T100000Z\nDURATION:PT1H", &[]),
        ("DTSTART:20240304T093000Z", &[]),
        ("DTSTART:20240304T093000Z\nDURATION:PT1H\nSTATUS:CANCELLED", &[]),
        ("DTSTART:20240304T093000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT", &[]),
        (
            "DTSTART:20240304T093000Z\nDURATION:PT1H\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
            &[],
        ),
        ("DTSTART;VALUE=DATE:20240304", &[]),
        ("DTSTART;VALUE=DATE:20240304\nTRANSP:OPAQUE", &[]),
    ] {
        assert_eq!(pairs(&[nine, other], json!({})).await, expected, "{other}");
    }
}

#[tokio::test]
async fn what_the_owner_declined_does_not_count() {
    let nine = "DTSTART:20240304T090000Z\nDURATION:PT1H";
    let declined = format!(
        "{nine}\nATTENDEE;PARTSTAT=DECLINED:mailto:Ada@example.com\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.com"
    );
    for (me, count) in [
        (json!([]), 1),
        (json!(["bob@example.com"]), 1),
        (json!(["x@example.com", " ada@EXAMPLE.com"]), 0),
    ] {
        assert_eq!(
            pairs(&[nine, &declined], json!({ "me": me })).await.len(),
            count,
            "{me}"
        );
    }
}

#[tokio::test]
async fn the_number_of_pairs_is_bounded() {
    let nine = "DTSTART:20240304T090000Z\nDURATION:PT1H";
    assert_eq!(pairs(&[nine; 5], json!({})).await.len(), 10);
    assert_eq!(
        pairs(&[nine; 5], json!({ "limit": 4 })).await,
        ["0 1 60", "0 2 60", "1 2 60", "0 3 60"]
    );
}

prop_compose! {
    fn events()(list in proptest::collection::vec((0..300_i64, 0..60_i64, 0..8_u8, 0..6_u8), 0..30)) -> Vec<Event> {
        let moment = |minute: i64| EventTime::Moment { at: Timestamp::from_second(minute * 60).unwrap(), zone: None };
        list.into_iter().enumerate().map(|(number, (start, length, kind, copy))| {
            let id = if copy == 0 { "copy".to_owned() } else { number.to_string() };
            let response = if kind == 3 { AttendeeResponse::Declined } else { AttendeeResponse::Accepted };
            let me = Attendee { address: Address { name: None, address: "Me@example.com".to_owned() }, response };
            Event {
                origin: Origin::new("test", id),
                title: number.to_string(),
                start: moment(start),
                end: moment(start + length),
                is_all_day: kind == 1,
                description: None,
                location: None,
                organizer: None,
                attendees: vec![me],
                status: if kind == 0 { EventStatus::Cancelled } else { EventStatus::Confirmed },
                is_free: kind == 2,
                series_id: None,
                recurrence: None,
            }
        }).collect()
    }
}

fn minutes(time: &EventTime) -> i64 {
    match time {
        EventTime::Moment { at, .. } => at.as_second() / 60,
        EventTime::Day { .. } => unreachable!(),
    }
}

proptest! {
    #[test]
    fn the_sweep_finds_what_a_check_of_all_pairs_finds(events in events()) {
        let me: BTreeSet<_> = ["me@example.com".to_owned()].into();
        let is_busy = |event: &&Event| {
            event.status != EventStatus::Cancelled && !event.is_free && !event.is_all_day
                && event.attendees[0].response != AttendeeResponse::Declined
        };
        let mut expected = BTreeSet::new();
        for first in events.iter().filter(is_busy) {
            for second in events.iter().filter(is_busy) {
                let overlap = minutes(&first.end).min(minutes(&second.end)) - minutes(&first.start).max(minutes(&second.start));
                if first.title < second.title && first.origin.id != second.origin.id && overlap > 0 {
                    expected.insert((first.title.clone(), second.title.clone(), overlap));
                }
            }
        }
        let (found, has_more) = conflicts(&events, &me, usize::MAX);
        let pairs: BTreeSet<_> = found.iter().map(|conflict| {
            let (first, second) = (conflict.first.title.clone(), conflict.second.title.clone());
            (first.clone().min(second.clone()), first.max(second), conflict.overlap_minutes)
        }).collect();
        prop_assert!(!has_more);
        prop_assert_eq!(found.len(), pairs.len());
        prop_assert_eq!(&pairs, &expected);
        prop_assert!(found.iter().all(|conflict| minutes(&conflict.first.start) <= minutes(&conflict.second.start)));
        let (few, has_more) = conflicts(&events, &me, 3);
        prop_assert_eq!((few.len(), has_more), (expected.len().min(3), expected.len() > 3));
    }
}
