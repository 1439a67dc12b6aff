use super::*;
use atom_core::model::Priority;
use jiff::civil::date;
use proptest::prelude::*;

fn task(title: &str) -> NewTask {
    NewTask {
        title: title.to_owned(),
        due_date: None,
        priority: Priority::Normal,
        project: None,
        tags: Vec::new(),
    }
}

fn add(format: Format, text: &str, task: &NewTask) -> String {
    TaskFile::new(format, text).add(task).unwrap().unwrap()
}

fn complete(format: Format, text: &str, title: &str, date: Option<Date>) -> String {
    let file = TaskFile::new(format, text);
    let found = file
        .tasks()
        .into_iter()
        .find(|task| task.entry.title == title)
        .unwrap();
    file.complete(&found.id, date).unwrap().unwrap()
}

#[test]
fn completing_changes_the_mark_and_adds_the_day() {
    let day = Some(date(2026, 3, 9));
    let cases = [
        (
            Format::Markdown,
            "# T\r\n- [ ] a\r\n- [ ] b\r\n",
            None,
            "# T\r\n- [ ] a\r\n- [x] b\r\n",
        ),
        (
            Format::Markdown,
            "- [/] b #x  ",
            day,
            "- [x] b #x ✅ 2026-03-09  ",
        ),
        (Format::TodoTxt, "a\nb\n", None, "a\nx b\n"),
        (
            Format::TodoTxt,
            "(A) 2026-03-01 b +p\nc",
            day,
            "x (A) 2026-03-09 2026-03-01 b +p\nc",
        ),
    ];
    for (format, text, date, expected) in cases {
        let completed = complete(format, text, "b", date);
        assert_eq!(completed, expected);
        let tasks = TaskFile::new(format, &completed).tasks();
        assert!(
            tasks
                .iter()
                .any(|task| task.entry.title == "b" && task.entry.status == TaskStatus::Completed)
        );
    }
}

#[test]
fn completing_twice_changes_nothing_and_impossible_requests_are_told_apart() {
    let file = TaskFile::new(Format::TodoTxt, "x a\n2026-03-01 b\n");
    let ids: Vec<String> = file.tasks().into_iter().map(|task| task.id).collect();
    assert_eq!(file.complete(&ids[0], None).unwrap(), None);
    assert_eq!(
        file.complete(&ids[1], None).unwrap_err().code(),
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        file.complete("missing", None).unwrap_err().code(),
        ErrorCode::NotFound
    );
    let file = TaskFile::new(Format::Markdown, "- [-] a\n");
    assert_eq!(
        file.complete(&file.tasks()[0].id, None).unwrap_err().code(),
        ErrorCode::Conflict
    );
}

#[test]
fn a_new_task_goes_where_its_project_is() {
    let cases = [
        ("", None, "- [ ] New\n"),
        ("# Tasks", None, "# Tasks\n\n- [ ] New\n"),
        (
            "- [ ] a\n  - [ ] nested\n  text\n\n## P\n- [ ] b\n",
            None,
            "- [ ] a\n  - [ ] nested\n  text\n- [ ] New\n\n## P\n- [ ] b\n",
        ),
        (
            "# T\n\n## P\n* [x] b\n\n## Q\n",
            Some("P"),
            "# T\n\n## P\n* [x] b\n* [ ] New\n\n## Q\n",
        ),
        (
            "# T\n\n## P\n## Q\n- [ ] q\n",
            Some("P"),
            "# T\n\n## P\n\n- [ ] New\n\n## Q\n- [ ] q\n",
        ),
        (
            "# T\r\n- [ ] a",
            Some("P"),
            "# T\r\n- [ ] a\r\n\r\n## P\r\n\r\n- [ ] New\r\n",
        ),
        (
            "---\ntags: x\n---\n# T\n",
            None,
            "---\ntags: x\n---\n# T\n\n- [ ] New\n",
        ),
    ];
    for (text, project, expected) in cases {
        let task = NewTask {
            project: project.map(str::to_owned),
            ..task("New")
        };
        assert_eq!(add(Format::Markdown, text, &task), expected, "{text:?}");
    }
}

#[test]
fn every_field_is_written_and_read_back() {
    let task = NewTask {
        title: "Pay rent".to_owned(),
        due_date: Some(date(2026, 3, 9)),
        priority: Priority::High,
        project: Some("Home".to_owned()),
        tags: vec!["bank".to_owned()],
    };
    assert_eq!(
        add(Format::TodoTxt, "a", &task),
        "a\n(B) Pay rent +Home @bank due:2026-03-09\n"
    );
    assert_eq!(
        add(Format::Markdown, "## Home\n- [ ] a 📅 2026-03-01\n", &task),
        "## Home\n- [ ] a 📅 2026-03-01\n- [ ] Pay rent #bank ⏫ 📅 2026-03-09\n"
    );
    let text = add(Format::Markdown, "", &task);
    assert_eq!(text, "## Home\n\n- [ ] Pay rent #bank !high due:2026-03-09\n");
    assert_eq!(TaskFile::new(Format::Markdown, &text).add(&task).unwrap(), None);
}

#[test]
fn a_task_that_would_be_read_back_differently_is_refused() {
    let spaced = NewTask {
        project: Some("Two words".to_owned()),
        ..task("a")
    };
    let cases = [
        (Format::TodoTxt, "", task("x ray")),
        (Format::TodoTxt, "", task("(A) grade")),
        (Format::TodoTxt, "", task("2026-03-09 review")),
        (Format::TodoTxt, "", spaced),
        (Format::Markdown, "", task("a !high")),
        (Format::Markdown, "", task("")),
        (Format::Markdown, "```\nnever closed", task("a")),
    ];
    for (format, text, task) in cases {
        let error = TaskFile::new(format, text).add(&task).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{task:?}");
    }
}

#[test]
fn ids_survive_edits_elsewhere() {
    let before = TaskFile::new(Format::Markdown, "- [ ] a\n- [ ] b\n- [ ] a\n").tasks();
    let after = TaskFile::new(
        Format::Markdown,
        "# New\n- [ ] c\n- [ ] a due:2026-03-09\n- [x] b\n\n- [ ] a\n",
    )
    .tasks();
    assert_eq!(
        [&before[0].id, &before[1].id, &before[2].id],
        [&after[1].id, &after[2].id, &after[3].id]
    );
    assert_ne!(before[0].id, before[2].id);
}

/// Lines such as people and programs write, and others.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[-*+] \\[[ x/-]\\] [a-c]{1,2}( #t| !high| due:2026-03-0[1-9]| 📅 2026-03-09)?",
        " {0,4}[0-9]{1,2}[.)] \\[ \\] [a-c] ✅ 2026-03-09",
        "(x )?(\\([A-E]\\) )?(2026-03-0[1-9] ){0,2}[a-c]{1,2}( \\+p| @c| due:2026-03-01| pri:A)?",
        "#{1,3} [A-C]",
        "```",
        "---",
        "\\PC{0,20}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    proptest::collection::vec((line, end), 0..12)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Markdown), Just(Format::TodoTxt)]
}

proptest! {
    #[test]
    fn completing_flips_exactly_one_task_and_no_other_byte(text in text(), format in format(), pick: prop::sample::Index) {
        let file = TaskFile::new(format, &text);
        let open: Vec<Identified> = file.tasks().into_iter().filter(|task| task.entry.is_open()).collect();
        prop_assume!(!open.is_empty());
        let chosen = pick.get(&open);
        let Ok(Some(after)) = file.complete(&chosen.id, None) else {
            // Only a todo.txt task with a creation date needs more.
            prop_assert!(format == Format::TodoTxt && chosen.entry.extra.contains_key("created_on"));
            return Ok(());
        };
        let mut expected = file.tasks();
        for task in &mut expected {
            if task.id == chosen.id {
                task.entry.status = TaskStatus::Completed;
            }
        }
        prop_assert_eq!(TaskFile::new(format, &after).tasks(), expected);
        let (before, after): (Vec<_>, Vec<_>) =
            (text.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
        prop_assert_eq!(before.len(), after.len());
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            prop_assert_eq!(before == after, at != chosen.entry.line);
        }
    }

    #[test]
    fn a_task_that_is_added_is_read_back_and_the_rest_is_kept(
        text in text(),
        format in format(),
        title in "[a-z]{2,5}( [a-z0-9#@:]{1,5}){0,3}",
        due in proptest::option::of(1i8..28),
        priority in prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High), Just(Priority::Urgent)],
        project in proptest::option::of("[A-Z][a-z]{0,4}"),
        tags in proptest::collection::btree_set("[a-z]{1,4}", 0..3),
    ) {
        let task = NewTask {
            title,
            due_date: due.map(|day| date(2026, 3, day)),
            priority,
            project,
            tags: tags.into_iter().collect(),
        };
        let file = TaskFile::new(format, &text);
        if let Ok(Some(after)) = file.add(&task) {
            let read = TaskFile::new(format, &after).tasks();
            prop_assert!(read.iter().any(|present| task.is_said_by(&present.entry)));
            let mut rest = after.as_str();
            for line in text.split_inclusive('\n') {
                let at = rest.find(line);
                prop_assert!(at.is_some(), "lost {:?}", line);
                rest = &rest[at.unwrap_or(0) + line.len()..];
            }
        }
    }

    #[test]
    fn no_text_makes_it_fail(text in "(\\PC|[\\[\\]x \\-\n(){}#📅🔁✅]){0,200}", format in format()) {
        TaskFile::new(format, &text).tasks();
    }
}
