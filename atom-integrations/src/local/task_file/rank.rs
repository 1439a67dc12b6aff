//! The order in which to do tasks.
//!
//! A task's score is the points of its priority (urgent 60, high 40, normal 20, low 0), plus those of its due
//! date (today 50; overdue 50 and one more for each day, 70 at most; in the next 14 days 47 down to 8, three
//! less for each day; later or never 0), plus 5 when somebody has begun. The higher score comes first; equal
//! ones are sorted by due date, the earliest first and none last, then by title and id. The same tasks and date
//! always give the same order.

use std::cmp::Reverse;
use std::collections::HashSet;

use atom_core::model::{Priority, Task, TaskStatus};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

/// A task and its place in the order.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Ranked {
    /// The task.
    task: Task,
    /// Its place, counted from 1.
    rank: usize,
    /// Its points; see the function's description.
    score: i32,
    /// Where the points come from, for people.
    reason: String,
}

/// Sorts the tasks that can be done: neither completed, cancelled, deleted nor blocked, and waiting for no open
/// task of the list.
pub(super) fn rank(tasks: Vec<Task>, today: Date) -> Vec<Ranked> {
    let is_open = |task: &Task| {
        !task.origin.is_deleted && !matches!(task.status, TaskStatus::Completed | TaskStatus::Cancelled)
    };
    let open: HashSet<String> = tasks
        .iter()
        .filter(|task| is_open(task))
        .map(|task| task.origin.id.clone())
        .collect();
    let can_be_done = |task: &Task| {
        is_open(task)
            && task.status != TaskStatus::Blocked
            && !task
                .dependencies
                .iter()
                .any(|dependency| open.contains(dependency))
    };
    let scored = tasks
        .into_iter()
        .filter(can_be_done)
        .map(|task| (score(&task, today), task));
    let mut scored: Vec<((i32, String), Task)> = scored.collect();
    scored.sort_by_cached_key(|((score, _), task)| {
        let due = (task.due_date.is_none(), task.due_date);
        (Reverse(*score), due, task.title.clone(), task.origin.id.clone())
    });
    let place = |(at, ((score, reason), task))| Ranked {
        task,
        rank: at + 1,
        score,
        reason,
    };
    scored.into_iter().enumerate().map(place).collect()
}

fn score(task: &Task, today: Date) -> (i32, String) {
    let (priority_points, priority) = match task.priority {
        Priority::Urgent => (60, "urgent"),
        Priority::High => (40, "high"),
        Priority::Normal => (20, "normal"),
        Priority::Low => (0, "low"),
    };
    let (due_points, due) = match task.due_date {
        None => (0, "no due date".to_owned()),
        Some(date) => due_points(today.duration_until(date).as_hours() / 24),
    };
    let (begun_points, begun) = match task.status {
        TaskStatus::InProgress => (5, ", in progress"),
        _ => (0, ""),
    };
    (
        priority_points + due_points + begun_points,
        format!("{due}, priority {priority}{begun}"),
    )
}

/// The points of a due date that is so many days away.
fn due_points(days: i64) -> (i32, String) {
    let near = i32::try_from(days.clamp(-20, 15)).unwrap_or(0);
    match days {
        ..=-2 => (50 - near, format!("overdue by {} days", -days)),
        -1 => (51, "overdue by 1 day".to_owned()),
        0 => (50, "due today".to_owned()),
        1 => (47, "due tomorrow".to_owned()),
        2..=14 => (50 - 3 * near, format!("due in {days} days")),
        _ => (0, format!("due in {days} days")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::model::Origin;
    use jiff::civil::date;

    fn task(title: &str, due_date: Option<Date>, priority: Priority) -> Task {
        Task {
            title: title.to_owned(),
            due_date,
            priority,
            ..Task::new(Origin::new("task_file", title))
        }
    }

    #[test]
    fn the_order_is_explained() {
        let today = date(2026, 3, 9);
        let begun = Task {
            status: TaskStatus::InProgress,
            ..task("begun", None, Priority::Normal)
        };
        let tasks = vec![
            task("later", Some(date(2026, 6, 1)), Priority::Normal),
            begun,
            task("never", None, Priority::Low),
            task("tomorrow", Some(date(2026, 3, 10)), Priority::Normal),
            task("today", Some(today), Priority::Urgent),
            task("late", Some(date(2026, 3, 6)), Priority::High),
            task("very late", Some(date(2020, 1, 1)), Priority::Low),
            task("soon", Some(date(2026, 3, 14)), Priority::High),
        ];
        let ranked = rank(tasks, today);
        let shown: Vec<_> = ranked
            .iter()
            .map(|r| (r.task.title.as_str(), r.score, r.reason.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("today", 110, "due today, priority urgent"),
                ("late", 93, "overdue by 3 days, priority high"),
                ("soon", 75, "due in 5 days, priority high"),
                ("very late", 70, "overdue by 2259 days, priority low"),
                ("tomorrow", 67, "due tomorrow, priority normal"),
                ("begun", 25, "no due date, priority normal, in progress"),
                ("later", 20, "due in 84 days, priority normal"),
                ("never", 0, "no due date, priority low"),
            ]
        );
        assert_eq!(
            ranked.iter().map(|r| r.rank).collect::<Vec<_>>(),
            (1..=8).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_cannot_be_done_is_left_out() {
        let waiting = Task {
            dependencies: vec!["task_file:first".into()],
            ..task("second", None, Priority::Normal)
        };
        let satisfied = Task {
            dependencies: vec!["task_file:done".into()],
            ..task("third", None, Priority::Normal)
        };
        let with = |title: &str, status| Task {
            status,
            ..task(title, None, Priority::Urgent)
        };
        let tasks = vec![
            waiting,
            satisfied,
            task("first", None, Priority::Low),
            with("done", TaskStatus::Completed),
            with("dropped", TaskStatus::Cancelled),
            with("blocked", TaskStatus::Blocked),
        ];
        let titles: Vec<_> = rank(tasks, date(2026, 3, 9))
            .into_iter()
            .map(|ranked| ranked.task.title)
            .collect();
        assert_eq!(titles, ["third", "first"]);
    }

    proptest::proptest! {
        #[test]
        fn the_order_does_not_depend_on_the_order_given(days in proptest::collection::vec(-30i64..30, 0..12)) {
            let today = date(2026, 3, 9);
            let due = |days: i64| today.checked_add(jiff::Span::new().days(days)).unwrap();
            let tasks: Vec<Task> = days.iter().enumerate()
                .map(|(at, days)| task(&at.to_string(), Some(due(*days)), Priority::Normal)).collect();
            let titles = |tasks: Vec<Task>| -> Vec<String> {
                rank(tasks, today).into_iter().map(|ranked| ranked.task.title).collect()
            };
            let mut reversed = tasks.clone();
            reversed.reverse();
            proptest::prop_assert_eq!(titles(tasks), titles(reversed));
        }
    }
}
