//! What differs between two documents.

use std::collections::BTreeSet;

use atom_core::ErrorCode;
use atom_workflow::definition::{MemberChange, MovedTask, TaskPlace, Workflow, WorkflowDiff};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::document;

fn parse(tasks: &str) -> Workflow {
    Workflow::parse(&document(tasks)).unwrap()
}

fn diff(from: &str, to: &str) -> WorkflowDiff {
    WorkflowDiff::between(&parse(from), &parse(to)).unwrap()
}

fn places(places: &[TaskPlace]) -> Vec<&str> {
    places.iter().map(|place| place.task.as_str()).collect()
}

fn moves(moved: &[MovedTask]) -> Vec<(&str, &str)> {
    moved
        .iter()
        .map(|moved| (moved.from.as_str(), moved.to.as_str()))
        .collect()
}

const FIRST: &str = r"
- read: { call: echo, with: { path: a, deep: { n: 1, m: [1, 2] } } }
- each:
    for: { each: n, in: '${ . }' }
    do:
      - one: { set: { n: 1 } }
      - two: { set: { n: 2 } }
- guard:
    try: [{ pay: { call: echo } }]
    catch: { as: problem, do: [{ note: { set: { n: 3 } } }] }
- last: { wait: PT1S, metadata: { atom: { compensate: [{ undo: { set: { n: 4 } } }] } } }
";

#[test]
fn a_task_that_changed_shows_what_changed_in_it() {
    let second = FIRST
        .replace(
            "path: a, deep: { n: 1, m: [1, 2] }",
            "deep: { n: null, m: [1, 3], o: {} }",
        )
        .replace("as: problem", "as: trouble")
        .replace("n: 4", "n: 5");
    let found = diff(FIRST, &second);
    let change = |path: &str, from: Option<Value>, to: Option<Value>| MemberChange {
        path: path.to_owned(),
        from,
        to,
    };
    let changed: Vec<_> = found
        .changed
        .iter()
        .map(|task| (task.name.as_str(), task.from.as_str(), task.members.as_slice()))
        .collect();
    assert_eq!(
        changed,
        [
            (
                "read",
                "/do/0/read",
                &[
                    change("/with/deep/m/1", Some(json!(2)), Some(json!(3))),
                    change("/with/deep/n", Some(json!(1)), Some(Value::Null)),
                    change("/with/deep/o", None, Some(json!({}))),
                    change("/with/path", Some(json!("a")), None),
                ][..]
            ),
            (
                "guard",
                "/do/2/guard",
                &[change(
                    "/catch/as",
                    Some(json!("problem")),
                    Some(json!("trouble"))
                )][..]
            ),
            (
                "undo",
                "/do/3/last/metadata/atom/compensate/0/undo",
                &[change("/set/n", Some(json!(4)), Some(json!(5)))][..]
            ),
        ]
    );
    assert!(found.added.is_empty() && found.removed.is_empty() && found.moved.is_empty());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<WorkflowDiff>(&text).unwrap(), found);
}

#[test]
fn tasks_are_added_removed_and_moved() {
    let second = FIRST
        .replace("- read:", "- before: { wait: PT1S }\n- read:")
        .replace("      - two: { set: { n: 2 } }\n", "")
        .replace(
            "try: [{ pay: { call: echo } }]",
            "try: [{ pay: { call: echo } }, { two: { set: { n: 2 } } }]",
        )
        .replace("n: 3", "n: 3 } } }, { more: { set: { n: 3");
    let found = diff(FIRST, &second);
    assert_eq!(
        places(&found.added),
        ["/do/0/before", "/do/3/guard/catch/do/1/more"]
    );
    assert!(found.removed.is_empty());
    assert_eq!(
        moves(&found.moved),
        [("/do/1/each/do/1/two", "/do/3/guard/try/1/two")]
    );
    assert!(
        found.changed.is_empty(),
        "what was pushed back has not changed: {found:?}"
    );

    let wrapped = diff(
        "- a: { wait: PT1S }\n- b: { wait: PT2S }\n",
        "- whole: { do: [{ a: { wait: PT1S } }, { b: { wait: PT3S } }] }\n",
    );
    assert_eq!(places(&wrapped.added), ["/do/0/whole"]);
    assert_eq!(
        moves(&wrapped.moved),
        [
            ("/do/0/a", "/do/0/whole/do/0/a"),
            ("/do/1/b", "/do/0/whole/do/1/b")
        ]
    );
    assert_eq!(wrapped.changed[0].members[0].path, "/wait");

    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("- {name}: {{ wait: PT1S }}\n"))
            .collect::<String>()
    };
    let turned = diff(&list(&["a", "b", "c", "d"]), &list(&["d", "a", "b", "c"]));
    assert_eq!(
        moves(&turned.moved),
        [("/do/3/d", "/do/0/d")],
        "the fewest tasks that explain the order"
    );
}

#[test]
fn the_parts_of_a_document_outside_of_tasks_are_compared() {
    let first = "use: { secrets: [a], functions: { f: { call: echo } }, extensions: [{ log: { extend: all, before: [{ b: { wait: PT1S } }] } }] }\ntimeout: { after: PT1H }\ndo: [{ x: { call: f } }]\n";
    let second = "use: { secrets: [a, b], functions: { f: { call: hang }, g: { call: echo } }, extensions: [{ other: { extend: set, after: [{ b: { wait: PT1S } }] } }, { log: { extend: all, before: [{ b: { wait: PT2S } }] } }] }\ninput: { from: .n }\ndo: [{ x: { call: f } }]\n";
    let found = diff(first, second);
    let paths: Vec<_> = found.parts.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(paths, ["/input", "/timeout", "/use/extensions", "/use/secrets"]);
    assert_eq!(
        places(&found.added),
        ["/use/functions/g", "/use/extensions/0/other/after/0/b"]
    );
    let changed: Vec<_> = found
        .changed
        .iter()
        .map(|task| (task.from.as_str(), task.to.as_str()))
        .collect();
    assert_eq!(
        changed,
        [
            ("/use/functions/f", "/use/functions/f"),
            (
                "/use/extensions/0/log/before/0/b",
                "/use/extensions/1/log/before/0/b"
            )
        ]
    );
    assert!(found.moved.is_empty() && found.removed.is_empty());
}

#[test]
fn a_comparison_that_would_fill_the_memory_is_refused() {
    let long = "x".repeat(1000);
    let keys: String = (0..2000).map(|number| format!("k{number}: 1, ")).collect();
    let deep = format!(
        "{}{{ {keys} }}{}",
        format!("{{ {long}: ").repeat(15),
        " }".repeat(15)
    );
    let from = format!("- a: {{ set: {deep} }}\n");
    let error = WorkflowDiff::between(&parse(&from), &parse(&from.replace(": 1,", ": 2,"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

/// Lists of tasks whose names are few, so that documents have many in common.
fn tasks() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..3).prop_map(|n| json!({ "set": { "n": n } })),
        (1..3).prop_map(|n| json!({ "wait": { "seconds": n } })),
        Just(json!({ "call": "echo", "with": { "n": [1, { "m": 2 }] } })),
    ];
    let task = leaf.prop_recursive(3, 24, 4, |task| {
        let list = list(task);
        prop_oneof![
            list.clone().prop_map(|list| json!({ "do": list })),
            (0..2, list.clone())
                .prop_map(|(n, list)| json!({ "for": { "in": format!("${{ {n} }}") }, "do": list })),
            (list.clone(), list.clone())
                .prop_map(|(list, handler)| json!({ "try": list, "catch": { "do": handler } })),
            list.clone()
                .prop_map(|list| json!({ "fork": { "branches": list } })),
            list.prop_map(
                |list| json!({ "set": { "n": 1 }, "metadata": { "atom": { "compensate": strip(list) } } })
            ),
        ]
    });
    list(task)
}

fn list(task: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> + Clone {
    let names = prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4).prop_shuffle();
    (names, prop::collection::vec(task, 4)).prop_map(|(names, tasks)| {
        let named = names.into_iter().zip(tasks);
        named.map(|(name, task)| json!({ name: task })).collect()
    })
}

/// Without what a task that undoes another cannot have.
fn strip(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.remove("metadata");
            members
                .values_mut()
                .for_each(|member| *member = strip(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = strip(item.take())),
        _ => {}
    }
    value
}

fn workflow(tasks: &Value) -> Workflow {
    let document = json!({ "dsl": "1.0.3", "namespace": "default", "name": "test", "version": "0.1.0" });
    Workflow::parse(&json!({ "document": document, "do": tasks }).to_string()).unwrap()
}

/// The pointers of all tasks.
fn pointers(workflow: &Workflow) -> BTreeSet<String> {
    let nothing = workflow_of_one();
    let whole = WorkflowDiff::between(&nothing, workflow).unwrap();
    whole.added.into_iter().map(|place| place.task).collect()
}

fn workflow_of_one() -> Workflow {
    parse("- nobody-else-has-this-name: { wait: PT1S }\n")
}

proptest! {
    #[test]
    fn what_is_said_of_one_direction_is_said_mirrored_of_the_other(left in tasks(), right in tasks()) {
        let (left, right) = (workflow(&left), workflow(&right));
        let there = WorkflowDiff::between(&left, &right).unwrap();
        let back = WorkflowDiff::between(&right, &left).unwrap();
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.removed, &back.added);
        let moved = |diff: &WorkflowDiff| diff.moved.iter().cloned().collect::<BTreeSet<_>>();
        let turned: BTreeSet<_> = back.moved.iter().map(|moved| MovedTask {
            name: moved.name.clone(),
            from: moved.to.clone(),
            to: moved.from.clone(),
        }).collect();
        prop_assert_eq!(moved(&there), turned);
        let changes = |diff: &WorkflowDiff, is_turned: bool| -> BTreeSet<String> {
            let tasks = diff.changed.iter().flat_map(|task| task.members.iter().map(move |member| {
                if is_turned {
                    format!("{} {} {} {:?} {:?}", task.to, task.from, member.path, member.to, member.from)
                } else {
                    format!("{} {} {} {:?} {:?}", task.from, task.to, member.path, member.from, member.to)
                }
            }));
            tasks.collect()
        };
        prop_assert_eq!(changes(&there, false), changes(&back, true));
        // Each task is on one side only or on both, and nothing is empty unless nothing differs.
        let (left_tasks, right_tasks) = (pointers(&left), pointers(&right));
        prop_assert_eq!(left_tasks.len() - there.removed.len(), right_tasks.len() - there.added.len());
        prop_assert!(there.removed.iter().all(|place| left_tasks.contains(&place.task)));
        prop_assert!(there.added.iter().all(|place| right_tasks.contains(&place.task)));
        prop_assert_eq!(there.is_empty(), left.hash == right.hash);
    }

    #[test]
    fn a_document_does_not_differ_from_itself(tasks in tasks()) {
        let workflow = workflow(&tasks);
        prop_assert!(WorkflowDiff::between(&workflow, &workflow).unwrap().is_empty());
    }
}
