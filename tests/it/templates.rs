//! The templates that come with the engine do what they say, on files and against stand-ins of services.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atom_core::testkit::ManualClock;
use atom_engine::api::{
    FollowRunRequest, GetRunRequest, InstantiateTemplateRequest, ListEventsRequest, Run, SetSecretRequest,
    StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, FileRoots, Secret};
use atom_integrations::http::testing::{RecordedRequest, TestResponse, TestServer};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An engine with a folder of files to work on, the sample of the morning briefing.
struct Desk {
    engine: Engine,
    clock: Arc<ManualClock>,
    server: TestServer,
    folder: TempDir,
}

impl Desk {
    async fn open(host: &str, answer: fn(&RecordedRequest) -> TestResponse) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/morning-briefing/sample");
        for file in [
            "calendar.ics",
            "mail.mbox",
            "tasks.md",
            "notes/launch.md",
            "notes/soup.txt",
        ] {
            let copy = folder.path().join(file);
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(sample.join(file), copy).unwrap();
        }
        let server = TestServer::start(answer).await.unwrap();
        let mut config = EngineConfig::in_memory();
        config.file_roots = FileRoots::Below(vec![folder.path().to_owned()]);
        config.http.hosts.insert(host.to_owned(), server.uri(""));
        // Requests have deadlines that the system's clock decides.
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let engine = Engine::builder(config).with_clock(Arc::<ManualClock>::clone(&clock));
        Self {
            engine: engine.open().await.unwrap(),
            clock,
            server,
            folder,
        }
    }

    async fn offline() -> Self {
        Self::open("nowhere.example", |_| TestResponse::status(404)).await
    }

    /// Starts what a template makes of these parameters.
    async fn start(&self, template: &str, parameters: Value, input: Value) -> Run {
        let parameters = parameters.as_object().unwrap().clone();
        let made = InstantiateTemplateRequest::new(template, parameters);
        let made = self.engine.call(made).await.unwrap();
        for name in &made.secrets {
            let value = Secret::new(if name.ends_with("webhook") {
                "https://chat.example/hooks/s3cret"
            } else {
                "t0ken"
            });
            let set = SetSecretRequest {
                name: name.clone(),
                value,
            };
            self.engine.call(set).await.unwrap();
        }
        let mut start = StartRunRequest::document(made.document).with_input(input);
        start.directory = Some(self.folder.path().to_owned());
        self.engine.call(start).await.unwrap()
    }

    async fn run(&self, template: &str, parameters: Value, input: Value) -> Run {
        let run = self.start(template, parameters, input).await;
        self.engine.call(GetRunRequest::ended(run.id)).await.unwrap()
    }

    async fn completes(&self, template: &str, parameters: Value, input: Value) -> Value {
        let run = self.run(template, parameters, input).await;
        assert_eq!(run.error, None);
        run.output.unwrap()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The only thing the stand-in was asked.
    fn asked(&self) -> RecordedRequest {
        let mut requests = self.server.requests();
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }
}

#[tokio::test]
async fn documents_are_searched() {
    let desk = Desk::offline().await;
    let parameters = json!({ "folder": "notes", "words": "launch" });
    let output = desk.completes("document-workflow", parameters, json!({})).await;
    assert_eq!(output["found"], 1);
    let page = desk.read("findings.md");
    assert!(page.contains("notes/launch.md"), "{page}");
}

#[tokio::test]
async fn files_are_listed() {
    let desk = Desk::offline().await;
    let parameters = json!({ "folder": "notes", "glob": "*" });
    let output = desk.completes("file-management", parameters, json!({})).await;
    assert_eq!(output["files"], 2);
    let page = desk.read("inventory.md");
    assert!(page.contains("launch.md") && page.contains("soup.txt"), "{page}");
}

#[tokio::test]
async fn a_free_time_is_found_and_invited_to() {
    let desk = Desk::offline().await;
    let parameters = json!({ "calendar": "calendar.ics", "organizer": "ada@example.org" });
    // At half past ten in Berlin there is the team meeting.
    let input = json!({
        "title": "Price list; final, really",
        "attendees": ["grace@example.com"],
        "times": ["2026-03-09T09:45:00Z", "2026-03-10T05:00:00Z", "2026-03-11T05:00:00Z"],
    });
    let output = desk
        .completes("meeting-scheduler", parameters.clone(), input)
        .await;
    assert_eq!(output["time"], "2026-03-10T05:00:00Z");
    let invitation = desk.read("invitation.ics");
    for line in [
        "DTSTART:20260310T050000Z\r\n",
        "DTEND:20260310T053000Z\r\n",
        "SUMMARY:Price list\\; final\\, really\r\n",
        "ATTENDEE;RSVP=TRUE:mailto:grace@example.com\r\n",
    ] {
        assert!(invitation.contains(line), "{line} in {invitation}");
    }

    let input = json!({ "title": "x", "times": ["2026-03-09T09:45:00Z"] });
    let run = desk.run("meeting-scheduler", parameters, input).await;
    assert_eq!(run.error.unwrap()["title"], "No free time");
}

#[tokio::test]
async fn unanswered_mail_becomes_tasks_once() {
    let desk = Desk::offline().await;
    let parameters = json!({ "mailbox": "mail.mbox", "me": ["ada@example.org"] });
    let input = json!({ "date": "2026-03-09", "since": "2026-02-23" });
    let first = desk
        .completes("task-automation", parameters.clone(), input.clone())
        .await;
    assert!(first["added"].as_u64() > Some(0), "{first}");
    let tasks = desk.read("tasks.md");
    assert!(tasks.contains("Answer: "), "{tasks}");
    let again = desk.completes("task-automation", parameters, input).await;
    assert_eq!(again["added"], 0);
    assert_eq!(desk.read("tasks.md"), tasks);
    assert!(desk.read("today.md").starts_with("# What to do first"));
}

#[tokio::test]
async fn the_team_is_told() {
    let desk = Desk::open("chat.example", |_| TestResponse::body("text/plain", "ok")).await;
    let parameters = json!({ "calendar": "calendar.ics", "zone": "Europe/Berlin" });
    let output = desk
        .completes("team-communication", parameters, json!({ "date": "2026-03-09" }))
        .await;
    let asked = desk.asked();
    assert_eq!((&*asked.method, &*asked.target), ("POST", "/hooks/s3cret"));
    let text = serde_json::from_slice::<Value>(&asked.body).unwrap()["text"].to_string();
    assert!(
        text.contains("Good morning!") && text.contains("10:30 Team meeting"),
        "{text}"
    );
    assert!(output["events"].as_u64() > Some(0), "{output}");
}

/// GitHub's contract: <https://docs.github.com/en/rest/issues/issues#list-repository-issues>.
#[tokio::test]
async fn issues_are_reported() {
    let issues = |request: &RecordedRequest| {
        let (path, query) = request.target.split_once('?').unwrap_or_default();
        let is_expected = path == "/repos/octocat/hello-world/issues"
            && ["state=open", "sort=created", "direction=asc", "per_page=100"]
                .iter()
                .all(|part| query.split('&').any(|found| found == *part))
            && request.header("authorization") == Some("Bearer t0ken")
            && request.header("x-github-api-version") == Some("2022-11-28")
            && request.header("accept") == Some("application/vnd.github+json")
            && request.header("user-agent").is_some();
        if !is_expected {
            return TestResponse::status(400);
        }
        let issue = json!({
            "number": 7, "title": "It *breaks*", "html_url": "https://github.com/octocat/hello-world/issues/7",
            "created_at": "2026-01-02T03:04:05Z", "comments": 2,
        });
        let mut pull = issue.clone();
        pull["pull_request"] = json!({});
        TestResponse::json(&json!([issue, pull]))
    };
    let desk = Desk::open("api.github.com", issues).await;
    let parameters = json!({ "owner": "octocat", "repository": "hello-world" });
    let output = desk.completes("github-workflow", parameters, json!({})).await;
    assert_eq!(output["issues"], 1);
    let page = desk.read("issues.md");
    assert!(
        page.contains("[#7](https://github.com/octocat/hello-world/issues/7)"),
        "{page}"
    );
    assert!(page.contains("2026-01-02, 2 comments"), "{page}");
}

/// Notion's contract, version 2025-09-03: <https://developers.notion.com/reference/query-a-data-source>.
#[tokio::test]
async fn pages_are_indexed() {
    let pages = |request: &RecordedRequest| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let is_expected = request.method == "POST"
            && request.target == "/v1/data_sources/0d7f2a5e-1111-4222-8333-444455556666/query"
            && request.header("authorization") == Some("Bearer t0ken")
            && request.header("notion-version") == Some("2025-09-03")
            && body["page_size"] == 50
            && body["sorts"] == json!([{ "timestamp": "last_edited_time", "direction": "descending" }]);
        if !is_expected {
            return TestResponse::status(400);
        }
        TestResponse::json(&json!({ "object": "list", "results": [{
            "object": "page",
            "url": "https://www.notion.so/p1",
            "last_edited_time": "2026-03-01T10:00:00.000Z",
            "properties": {
                "State": { "type": "select", "select": null },
                "Name": { "type": "title", "title": [{ "plain_text": "Launch " }, { "plain_text": "plan" }] },
            },
        }] }))
    };
    let desk = Desk::open("api.notion.com", pages).await;
    let parameters = json!({ "data_source": "0d7f2a5e-1111-4222-8333-444455556666" });
    let output = desk
        .completes("notion-content-workflow", parameters, json!({}))
        .await;
    assert_eq!(output["pages"], 1);
    let page = desk.read("content.md");
    assert!(
        page.contains("[Launch plan](https://www.notion.so/p1), edited 2026-03-01"),
        "{page}"
    );
}

#[tokio::test]
async fn the_demo_goes_through_or_is_taken_back() {
    let desk = Desk::offline().await;
    let parameters = json!({ "pause": 60, "names": ["one", "two"] });
    for (input, content) in [
        (json!({}), "Written by run"),
        (json!({ "fail": true }), "Taken back."),
    ] {
        let has_failed = input["fail"] == true;
        let run = desk
            .start("workflow-automation-demo", parameters.clone(), input)
            .await;
        let records = desk.engine.subscribe(FollowRunRequest { id: run.id, after: 0 });
        let mut pauses = records.filter(|record| {
            let task = record.as_ref().unwrap().record.task.as_deref();
            std::future::ready(task == Some("/do/1/pause"))
        });
        pauses.next().await.unwrap().unwrap();
        desk.clock.advance(Duration::from_secs(60));
        let run = desk.engine.call(GetRunRequest::ended(run.id)).await.unwrap();
        assert_eq!(run.error.is_some(), has_failed, "{run:?}");
        for file in ["one.md", "two.md"] {
            assert!(desk.read(file).contains(content), "{}", desk.read(file));
        }
    }
    let events = desk
        .engine
        .call(ListEventsRequest::default())
        .await
        .unwrap()
        .events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.kind, "com.example.demo.finished.v1");
}
