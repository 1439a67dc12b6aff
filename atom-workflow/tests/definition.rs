//! Documents, good and bad, as people write them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use atom_core::ErrorCode;
use atom_workflow::definition::{
    CallTarget, FlowDirective, Naming, TaskKind, Trigger, Workflow, WorkflowTemplate,
};
use serde_json::json;

fn documents(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/documents")
        .join(folder);
    let mut documents: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    documents.sort();
    documents
}

fn valid(name: &str) -> Workflow {
    let (_, text) = documents("valid")
        .into_iter()
        .find(|(path, _)| path.ends_with(name))
        .unwrap();
    Workflow::parse(&text).unwrap()
}

/// The first line of each bad document is a comment with the message it must give.
#[test]
fn bad_documents_are_refused_with_the_place_and_a_way_out() {
    let mut wrong = Vec::new();
    for (path, text) in documents("invalid") {
        let expected = text.lines().next().unwrap().trim_start_matches("# ");
        let found = match Workflow::parse(&text) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::InvalidWorkflow);
                let context = error.context();
                let place = format!("line {}, column {}: ", context["line"], context["column"]);
                assert!(error.message().starts_with(&place), "{error}");
                assert!(
                    error.message()[place.len()..].starts_with(&context["path"]),
                    "{error}"
                );
                error.message().to_owned()
            }
        };
        if found != expected {
            wrong.push(format!(
                "{}\n  expected: {expected}\n  found:    {found}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_document_without_unsupported_parts_can_be_carried_out() {
    let workflow = valid("supported.yaml");
    assert_eq!(workflow.unsupported, []);
    assert_eq!(workflow.document.version, "1.2.3-alpha.1+build.7");
    assert_eq!(workflow.secrets, ["api", "token"]);
    assert_eq!(
        workflow.authentications.keys().collect::<Vec<_>>(),
        ["login", "secretLogin", "secretToken"]
    );
    let fetch = &workflow.tasks.tasks[2];
    assert_eq!(
        (fetch.name.as_str(), fetch.reference.as_str()),
        ("fetch", "/do/2/fetch")
    );
    assert_eq!(fetch.source["with"]["method"], "get");
    let described = workflow
        .tasks
        .position("choose")
        .map(|position| &workflow.tasks.tasks[position].kind);
    let Some(TaskKind::Switch(cases)) = described else {
        panic!("{described:?}")
    };
    assert_eq!(cases[0].then, FlowDirective::Task("wait".to_owned()));
    let TaskKind::Call(call) = &workflow.tasks.tasks[4].kind else {
        panic!()
    };
    let CallTarget::Defined(function) = &call.target else {
        panic!()
    };
    assert_eq!(function.reference, "/use/functions/notifyTwice");
}

#[test]
fn whatever_is_not_carried_out_is_listed_with_its_place() {
    let workflow = valid("unsupported.yaml");
    let found: Vec<_> = workflow
        .unsupported
        .iter()
        .map(|part| part.feature.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "metadata.atom.archiving",
            "schedule: an expression with $context",
            "authentication: oidc with the grant authorization_code",
            "use.catalogs: a URI that is an expression",
            "call: a function by its URI: a URI of another scheme than http, https and file",
            "schema.format: avro",
            "schema.resource: a URI template",
            "an expression with $authorization",
            "metadata.atom.escalate",
            "call: asyncapi over kafka",
            "call: mcp in the version 2026-07-28",
            "call: mcp with the transport option 'a'",
            "run: script in ruby",
            "authentication: oauth2 with the grant refresh_token without a 'subject' of the type \
             urn:ietf:params:oauth:token-type:refresh_token",
        ]
    );
    let first = &workflow.unsupported[0];
    assert_eq!(
        (first.path.as_str(), first.line, first.column),
        ("/document/metadata/atom/archiving", 7, 32)
    );
    let is_unsupported = |task: &atom_workflow::definition::Task| matches!(task.kind, TaskKind::Unsupported);
    for task in &workflow.tasks.tasks {
        assert!(is_unsupported(task), "{}", task.name);
    }
}

#[test]
fn approvals_say_what_they_ask_whom_and_until_when() {
    let parse = |task: &str| {
        Workflow::parse(&format!(
            "document: {{dsl: 1.0.3, namespace: tests, name: ask, version: 1.0.0}}\ndo:\n- ask: {{{task}}}\n"
        ))
    };
    let asking = |approve: &str| {
        parse(&format!(
            "set: {{a: 1}}, metadata: {{atom: {{approve: {approve}}}}}"
        ))
    };
    let workflow = asking(
        "{title: '${ .what }', message: Why, assignees: {roles: [boss], users: '${ .who }'}, form: {type: object}, \
         data: {a: '${ .a }'}, allowEdit: true, deadline: {hours: 24}, onDeadline: approve}",
    )
    .unwrap();
    workflow.check_supported().unwrap();
    assert!(workflow.has_approvals());
    let approve = workflow.tasks.tasks[0].approve.as_ref().unwrap();
    assert!(approve.allow_edit && approve.form.is_some() && approve.deadline.is_some());
    assert!(!parse("set: {a: 1}").unwrap().has_approvals());

    let place = "/do/0/ask/metadata/atom/approve";
    for (approve, at, message) in [
        ("{}", "", "the key 'title' is missing"),
        ("{title: ''}", "/title", "expected a name, found an empty text"),
        ("{title: {a: 1}}", "/title", "expected text, found an object"),
        ("{title: x, by: manager}", "", "unknown key 'by'"),
        (
            "{title: x, allowedit: true}",
            "",
            "unknown key 'allowedit'; did you mean 'allowEdit'?",
        ),
        (
            "{title: x, assignees: {}}",
            "/assignees",
            "expected at least one key",
        ),
        (
            "{title: x, assignees: {roles: []}}",
            "/assignees/roles",
            "expected at least one name",
        ),
        (
            "{title: x, assignees: {roles: boss}}",
            "/assignees/roles",
            "expected a list of names",
        ),
        (
            "{title: x, assignees: {users: [ada, '']}}",
            "/assignees/users/1",
            "a name must be 1 to 128 bytes",
        ),
        (
            "{title: x, form: {type: nonsense}}",
            "/form/type",
            "not a JSON Schema",
        ),
        ("{title: x, form: true}", "/form", "expected an object"),
        ("{title: x, deadline: soon}", "/deadline", ""),
        (
            "{title: x, onDeadline: reject}",
            "/onDeadline",
            "'onDeadline' needs 'deadline' beside it",
        ),
        (
            "{title: x, deadline: PT1H, onDeadline: wait}",
            "/onDeadline",
            "expected 'fault', 'reject' or 'approve'",
        ),
        ("{title: '${ .a | }'}", "/title", ""),
    ] {
        let error = asking(approve).unwrap_err();
        let found = error.message().split_once(": ").unwrap().1;
        assert!(
            found.starts_with(&format!("{place}{at}: {message}")),
            "{approve}: {error}"
        );
    }
    let edited = parse(
        "set: {a: 1}, input: {schema: {document: {}}, from: .a}, metadata: {atom: {approve: {title: x, allowEdit: true}}}",
    );
    assert!(
        edited
            .unwrap_err()
            .message()
            .contains("leave one of the three out")
    );
    let undoing = parse(
        "set: {a: 1}, metadata: {atom: {compensate: [{undo: {set: {a: 1}, metadata: {atom: {approve: {title: x}}}}}]}}",
    );
    assert!(
        undoing
            .unwrap_err()
            .message()
            .contains("cannot wait for an approval")
    );
    let hidden = parse("for: {each: approval, in: .a}, do: []");
    assert!(
        hidden
            .unwrap_err()
            .message()
            .contains("'approval' cannot name a variable")
    );
}

#[test]
fn calls_of_other_protocols_are_carried_out() {
    let workflow = Workflow::parse(include_str!("documents/valid/protocols.yaml")).unwrap();
    assert_eq!(workflow.unsupported, []);
    let called: Vec<_> = workflow.called_functions().into_keys().collect();
    assert_eq!(called, ["asyncapi", "grpc"]);
    let graph = atom_workflow::definition::graph(&workflow);
    assert!(
        graph.contains("call grpc") && graph.contains("subscribe"),
        "{graph}"
    );
}

#[test]
fn programs_in_another_language_are_not_read_as_jq() {
    let workflow = Workflow::parse(
        "document: {dsl: 1.0.3, namespace: tests, name: js, version: 1.0.0}
evaluate: {language: js}
do:
  - a: {if: a === b, set: '${ (() => 1)() }'}
",
    )
    .unwrap();
    assert_eq!(workflow.unsupported[0].feature, "evaluate.language: js");
}

#[test]
fn the_hash_depends_on_the_content_alone() {
    let yaml = "document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0} # c\ndo:\n- c: {set: {d: 1, e: [2]}}\n";
    let json = r#"{"do":[{"c":{"set":{"e":[2],"d":1}}}],
        "document":{"version":"1.0.0","name":"b","namespace":"a","dsl":"1.0.3"}}"#;
    let hash = |text: &str| Workflow::parse(text).unwrap().hash;
    assert_eq!(hash(yaml), hash(json));
    assert_ne!(hash(yaml), hash(&yaml.replace("d: 1", "d: 2")));
    // `sha256sum` of the canonical JSON.
    assert_eq!(
        hash(yaml),
        "3bcca6e4da68f3573459ab3d892d5f03d79b252bd1f530d8a8cf3914b189183b"
    );
}

#[test]
fn anchors_repeat_what_they_name() {
    let workflow = Workflow::parse(
        "\u{feff}document: {dsl: 1.0.3, namespace: a, name: b, version: !!str 1.0.0}
do:
  - first: &task {set: {on: yes, off: 0o17}}
  - second: *task
",
    )
    .unwrap();
    assert_eq!(
        workflow.source["do"][1]["second"]["set"],
        serde_json::json!({"on": "yes", "off": 15})
    );
}

const TEMPLATE: &str = "
template:
  name: pause
  version: 1.0.0
  title: Pause
  parameters:
    type: object
    properties:
      seconds: { type: integer, minimum: 1, default: 60 }
      note: { type: string, examples: [x] }
    required: [seconds]
workflow:
  document: { dsl: 1.0.3, namespace: examples, name: pause, version: 1.0.0 }
  do:
    - pause: { wait: { seconds: { $parameter: seconds } } }
    - tell: { set: { all: '${ $workflow.definition.document.metadata.template.parameters }', note: { $parameter: note }, list: [{ $parameter: note }, 1] } }
";

#[test]
fn a_template_puts_values_where_their_parameters_stand() {
    let template = WorkflowTemplate::parse(TEMPLATE).unwrap();
    let make = |parameters| {
        template
            .instantiate(&parameters, &Naming::default())
            .unwrap()
            .0
            .source
    };
    let made = make(json!({ "seconds": 5, "note": "${ not an expression" }));
    assert_eq!(made["do"][0]["pause"]["wait"], json!({ "seconds": 5 }));
    assert_eq!(made["do"][1]["tell"]["set"]["note"], "${ not an expression");
    assert_eq!(
        made["document"]["metadata"]["template"],
        json!({ "name": "pause", "version": "1.0.0", "parameters": { "seconds": 5, "note": "${ not an expression" } })
    );
    // What has no value is left out, and nothing but the default is taken for granted.
    let made = make(json!({}));
    assert_eq!(made["do"][0]["pause"]["wait"], json!({ "seconds": 60 }));
    assert_eq!(made["do"][1]["tell"]["set"]["list"], json!([1]));
    assert!(made["do"][1]["tell"]["set"].get("note").is_none());
    let naming = Naming {
        name: Some("other".to_owned()),
        ..Naming::default()
    };
    let (named, text) = template.instantiate(&json!({}), &naming).unwrap();
    assert_eq!(
        (&*named.document.name, &*named.document.namespace),
        ("other", "examples")
    );
    assert_eq!(Workflow::parse(&text).unwrap().hash, named.hash);
}

#[test]
fn values_that_do_not_fit_the_form_are_refused() {
    let template = WorkflowTemplate::parse(TEMPLATE).unwrap();
    for (parameters, expected) in [
        (json!({ "seconds": 0 }), "/seconds"),
        (json!({ "second": 1 }), "it has seconds, note"),
        (json!([]), "must be an object"),
    ] {
        let error = template.instantiate(&parameters, &Naming::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
    let naming = Naming {
        name: Some("Not a label".to_owned()),
        ..Naming::default()
    };
    let error = template.instantiate(&json!({}), &naming).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidWorkflow);
}

#[test]
fn bad_templates_are_refused_with_the_place() {
    for (from, to, expected) in [
        (
            "$parameter: seconds",
            "$parameter: second",
            "did you mean 'seconds'?",
        ),
        ("$parameter: seconds", "$parameter: seconds, x: 1", "stands alone"),
        (", default: 60", "", "needs a 'default'"),
        ("examples: [x]", "examples: []", "needs a 'default'"),
        ("default: 60", "default: 0", "/seconds"),
        ("  title: Pause\n", "", "the key 'title' is missing"),
        ("name: pause\n", "name: Pause it\n", "/template/name"),
        ("type: integer", "type: integre", "not a JSON Schema"),
        ("wait:", "wiat:", "wiat"),
        ("workflow:", "workflows:", "unknown key 'workflows'"),
    ] {
        let text = TEMPLATE.replacen(from, to, 1);
        assert_ne!(text, TEMPLATE, "{from}");
        let error = WorkflowTemplate::parse(&text).unwrap_err();
        assert!(error.message().contains(expected), "{from} -> {to}: {error}");
    }
}

fn with_schedule(schedule: &str, settings: &str) -> atom_core::Result<Workflow> {
    Workflow::parse(&format!(
        "document: {{dsl: 1.0.3, namespace: tests, name: scheduled, version: 1.0.0{settings}}}
schedule: {schedule}
do:
  - a: {{set: {{b: 1}}}}
"
    ))
}

fn settings(text: &str) -> String {
    format!(", metadata: {{atom: {{schedule: {text}}}}}")
}

#[test]
fn schedules_are_read_with_what_stands_beside_them() {
    for (schedule, settings, expected) in [
        (
            "{every: {minutes: 5}}",
            String::new(),
            json!([{"type": "every", "interval_ms": 300_000, "missed": "latest"}]),
        ),
        (
            "{every: PT1H30M}",
            settings("{missed: skip}"),
            json!([{"type": "every", "interval_ms": 5_400_000, "missed": "skip"}]),
        ),
        (
            "{cron: 0 0 * * *}",
            String::new(),
            json!([{"type": "cron", "expression": "0 0 * * *", "time_zone": "UTC", "missed": "latest"}]),
        ),
        (
            "{cron: '@daily'}",
            settings("{timeZone: europe/berlin, missed: all}"),
            json!([{"type": "cron", "expression": "@daily", "time_zone": "Europe/Berlin", "missed": "all"}]),
        ),
        (
            "{after: PT0.1S}",
            String::new(),
            json!([{"type": "after", "delay_ms": 100}]),
        ),
        (
            "{every: P1Y2MT1S, after: '${ \"P1M\" }'}",
            String::new(),
            json!([
                {"type": "every", "months": 14, "interval_ms": 1000, "missed": "latest"},
                {"type": "after", "months": 1, "delay_ms": 0},
            ]),
        ),
        (
            "{every: '${ \"PT\\(60 / 4)M\" }'}",
            String::new(),
            json!([{"type": "every", "interval_ms": 900_000, "missed": "latest"}]),
        ),
        (
            "{after: '${ $workflow.definition.document.metadata.pause | {seconds: ($runtime.name | length), milliseconds: .} }'}",
            ", metadata: {pause: 5}".to_owned(),
            json!([{"type": "after", "delay_ms": 4005}]),
        ),
        (
            "{after: PT1H, on: {any: []}, every: PT1M, cron: '@daily'}",
            settings("{timeZone: Europe/Berlin, missed: skip}"),
            json!([
                {"type": "every", "interval_ms": 60_000, "missed": "skip"},
                {"type": "cron", "expression": "@daily", "time_zone": "Europe/Berlin", "missed": "skip"},
                {"type": "after", "delay_ms": 3_600_000},
                {"type": "events"},
            ]),
        ),
        (
            "{on: {one: {with: {type: a, data: '${ .b > 1 }'}}}, read: envelope}",
            String::new(),
            json!([{"type": "events"}]),
        ),
        (
            "{on: {any: [], until: length > 3}}",
            String::new(),
            json!([{"type": "events"}]),
        ),
        (
            "{on: {all: [{with: {type: a}, correlate: {room: {from: .data.room, expect: kitchen}}}]}}",
            String::new(),
            json!([{"type": "events"}]),
        ),
        (
            "{on: {one: {with: {data: {by: '${ . != $runtime.name }'}}, correlate: {a: {from: .data.a, expect: '${ $workflow.definition.document.name }'}}}}}",
            String::new(),
            json!([{"type": "events"}]),
        ),
    ] {
        let workflow = with_schedule(schedule, &settings).unwrap();
        assert_eq!(workflow.unsupported, [], "{schedule}");
        let triggers: Vec<_> = workflow.schedule.iter().map(Trigger::stored).collect();
        assert_eq!(serde_json::to_value(triggers).unwrap(), expected, "{schedule}");
    }
}

#[test]
fn schedules_that_cannot_be_right_are_refused_with_the_place() {
    for (schedule, settings, expected) in [
        ("{}", String::new(), "/schedule: the schedule is empty"),
        (
            "{every: soon}",
            String::new(),
            "/schedule/every: 'soon' is not an ISO 8601 duration",
        ),
        (
            "{cron: 0 0 * *}",
            String::new(),
            "/schedule/cron: '0 0 * *' is not a cron expression: it has 4 fields",
        ),
        (
            "{cron: 0 25 * * *}",
            String::new(),
            "/schedule/cron: the hour of the cron expression",
        ),
        (
            "{cron: 0 0 30 2 *}",
            String::new(),
            "/schedule/cron: the times of the cron expression",
        ),
        (
            "{cron: 0 0 * * *}",
            settings("{timeZone: Mars}"),
            "/document/metadata/atom/schedule/timeZone: 'Mars' is not a time zone",
        ),
        (
            "{cron: 0 0 * * *}",
            settings("{timezone: UTC}"),
            "unknown key 'timezone'; did you mean 'timeZone'?",
        ),
        ("{cron: 0 0 * * *}", settings("{missed: never}"), "found 'never'"),
        (
            "{every: PT1H}",
            settings("{timeZone: UTC}"),
            "/document/metadata/atom/schedule/timeZone: this belongs to 'cron', which the schedule does not have",
        ),
        (
            "{after: PT1H}",
            settings("{missed: all}"),
            "this belongs to 'every' or 'cron', which",
        ),
        (
            "{on: {any: []}}",
            settings("{missed: all}"),
            "this belongs to 'every' or 'cron', which",
        ),
        (
            "{every: '${ .every }'}",
            String::new(),
            "/schedule/every: before there is a run, this gives no duration: expected a duration",
        ),
        (
            "{after: '${ \"soon\" }'}",
            String::new(),
            "/schedule/after: before there is a run, this gives no duration: 'soon' is not",
        ),
        (
            "{every: '${ error(\"no\") }'}",
            String::new(),
            "/schedule/every: before there is a run, this gives no duration: ",
        ),
        (
            "{on: {one: {with: {type: a}, correlate: {b: {from: .data, expect: '${ .c }'}}}}}",
            String::new(),
            "/schedule/on: what the correlation 'b' expects is computed before there is a run, and without an input: it gives null",
        ),
        (
            "{on: {one: {with: {type: a}, correlate: {b: {from: .data, expect: '${ 1 | keys }'}}}}}",
            String::new(),
            "what the correlation 'b' expects is computed before there is a run",
        ),
        (
            "{every: PT1H, read: data}",
            String::new(),
            "'read' needs 'on' beside it",
        ),
        (
            "{on: {all: [{with: {type: a}}], until: 'true'}}",
            String::new(),
            "'until' belongs to 'any'",
        ),
    ] {
        let error = with_schedule(schedule, &settings).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidWorkflow);
        assert!(error.message().contains(expected), "{schedule}: {error}");
    }
    let without = Workflow::parse(
        "document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0, metadata: {atom: {schedule: {missed: all}}}}
do:
  - a: {set: {b: 1}}
",
    );
    let error = without.unwrap_err();
    assert!(
        error
            .message()
            .contains("there is no schedule that this belongs to"),
        "{error}"
    );
}

#[test]
fn schedules_beyond_the_engine_are_valid_and_listed() {
    for (schedule, feature) in [
        ("{every: PT0.09S}", "schedule: a duration below 100 milliseconds"),
        (
            "{after: {seconds: 0}, every: PT1H}",
            "schedule: a duration below 100 milliseconds",
        ),
        (
            "{every: '${ {milliseconds: 5} }'}",
            "schedule: a duration below 100 milliseconds",
        ),
        ("{every: PT1.0005S}", "schedule: a fraction of a millisecond"),
        (
            "{every: '${ $context.every }'}",
            "schedule: an expression with $context",
        ),
        ("{on: {all: []}}", "schedule.on: all of no events"),
        (
            "{on: {one: {with: {data: '${ . == $secrets }'}}}}",
            "schedule: an expression with $secrets",
        ),
        (
            "{on: {one: {with: {type: a}, correlate: {b: {from: .data, expect: '${ $input.c }'}}}}}",
            "schedule: an expression with $input",
        ),
        (
            "{on: {one: {with: {data: {a: [1, '${ . == $secrets }']}}}}}",
            "schedule: an expression with $secrets",
        ),
        (
            "{on: {any: [], until: '$context.done'}}",
            "schedule: an expression with $context",
        ),
    ] {
        let workflow = with_schedule(schedule, "").unwrap();
        let features: Vec<_> = workflow
            .unsupported
            .iter()
            .map(|part| part.feature.as_str())
            .collect();
        assert_eq!(features, [feature], "{schedule}");
        assert!(workflow.schedule.is_empty());
    }
}

#[test]
fn a_subscription_has_no_idempotency_key() {
    let error = Workflow::parse(
        "document: {dsl: 1.0.3, namespace: tests, name: hear, version: 1.0.0}\ndo:\n- hear:\n    call: asyncapi\n    with: {document: {endpoint: 'https://x.test/a'}, operation: hear, subscription: {consume: {amount: 1}}}\n    metadata: {atom: {idempotencyKey: '${ .id }'}}\n",
    )
    .unwrap_err();
    assert!(error.message().contains("so it has no key"), "{error}");
}
