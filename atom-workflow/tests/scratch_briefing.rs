#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use atom_workflow::expression::{Template, Variables};
use serde_json::{Value, json};
#[test]
fn scratch() {
    let text = std::fs::read_to_string("../examples/morning-briefing/workflow.yaml").unwrap();
    let workflow = atom_workflow::definition::Workflow::parse(&text).unwrap();
    println!("unsupported {:?}", workflow.unsupported);
    let exprs: Value = serde_json::from_str(&std::fs::read_to_string("/tmp/exprs.json").unwrap()).unwrap();
    let run = |name: &str, input: Value, context: &Value| {
        let t = Template::compile(&exprs[name]).unwrap();
        let v = Variables::new().set("context", context.clone());
        let out = t.evaluate(&input, &v).unwrap();
        println!("{name}: {out}");
        out
    };
    for given in [json!({}), json!(null), json!({"mailbox": "/x", "me": ["ada@example.org"], "date": "2026-01-01"})] {
        let settings = run("from", given.clone(), &json!(null));
        let mut c = run("settings", settings.clone(), &json!(null));
        let thread = |a: bool| json!({"awaits_reply": a});
        let events = if given == json!({}) {
            json!({"events": [{"attendees": [{"address": "ada@example.org", "name": "Ada"}, {"address": "g@x", "name": "Grace"}, {"address": "n@x"}]}], "skipped": [{"path": "c"}]})
        } else { settings.clone() };
        c = run("read", json!([{"threads": [thread(true)], "skipped": []}, {"threads": [thread(true), thread(false)]}, events, {"conflicts": []}, {"tasks": [1], "skipped": []}, settings]), &c);
        run("names", json!([]), &c);
        c = run("consider", json!([{"tasks": [1]}, [1, 2]]), &c);
        c = run("render", json!({"text": "T"}), &c);
        run("output", json!({"path": "briefing.md"}), &c);
    }
}
