//! What a document needs to run: an engine, and a server that stands in for the hosts it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atom_core::testkit::ManualClock;
use atom_engine::api::{
    DeployWorkflowRequest, FollowRunRequest, GetRunRequest, PublishEventRequest, Run, SignalRunRequest,
    StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, FileRoots};
use atom_integrations::http::testing::{RecordedRequest, TestResponse, TestServer};
#[cfg(unix)]
use atom_integrations::process::testing::TestDocker;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

/// A document that is to run.
pub(super) struct Stage {
    document: String,
    config: EngineConfig,
    folder: Option<PathBuf>,
}

/// A document with everything it needs.
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) clock: Arc<ManualClock>,
    document: String,
    folder: Option<PathBuf>,
    server: TestServer,
}

impl Stage {
    pub(super) fn new(document: String) -> Self {
        let config = EngineConfig::in_memory();
        Self {
            document,
            config,
            folder: None,
        }
    }

    /// Lets the document's relative paths begin in a folder, and its calls read what is there.
    pub(super) fn with_folder(mut self, folder: &Path) -> Self {
        self.config.file_roots = FileRoots::Below(vec![folder.to_owned()]);
        self.folder = Some(folder.to_owned());
        self
    }

    /// Lets the document run processes, containers among them.
    #[cfg(unix)]
    pub(super) fn with_processes(mut self, docker: &TestDocker) -> Self {
        self.config.processes.shell = true;
        self.config.processes.script = true;
        self.config.processes.container = true;
        self.config.processes.container_socket = Some(docker.socket());
        self
    }

    /// Lets the document start servers, whose commands are looked for in this folder first.
    #[cfg(all(unix, feature = "mcp"))]
    pub(super) fn with_commands(mut self, folder: &std::path::Path) -> Self {
        self.config.processes.mcp = true;
        self.config.processes.path = vec![folder.to_owned()];
        self
    }

    /// Sends what goes to a host to this base URL.
    pub(super) fn with_host(mut self, host: &str, base: String) -> Self {
        self.config.http.hosts.insert(host.to_owned(), base);
        self
    }

    /// Opens an engine for a document that calls nobody.
    pub(super) async fn alone(self) -> Scene {
        self.with_hosts(&[], |_| TestResponse::status(502)).await
    }

    /// Opens an engine for a document that calls these hosts, which answer as the closure says.
    pub(super) async fn with_hosts(
        mut self,
        hosts: &[&str],
        answer: impl Fn(&RecordedRequest) -> TestResponse + Send + Sync + 'static,
    ) -> Scene {
        let server = TestServer::start(answer).await.expect("a loopback port is free");
        for host in hosts {
            self.config.http.hosts.insert((*host).to_owned(), server.uri(""));
        }
        // Requests have deadlines that the system's clock decides.
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let engine = Engine::builder(self.config).with_clock(Arc::<ManualClock>::clone(&clock));
        Scene {
            engine: engine.open().await.expect("the engine opens"),
            clock,
            document: self.document,
            folder: self.folder,
            server,
        }
    }
}

impl Scene {
    /// Deploys the document.
    pub(super) async fn deploy(&self) {
        let deploy = DeployWorkflowRequest::new(self.document.clone());
        self.engine.call(deploy).await.expect("the document is deployed");
    }

    /// Starts the document.
    pub(super) async fn start(&self, input: Value) -> Run {
        let start = StartRunRequest {
            directory: self.folder.clone(),
            ..StartRunRequest::document(self.document.clone()).with_input(input)
        };
        self.engine.call(start).await.expect("the run starts")
    }

    /// Runs the document to its end.
    pub(super) async fn run(&self, input: Value) -> Run {
        let run = self.start(input).await;
        self.ended(&run).await
    }

    /// The run at its end.
    pub(super) async fn ended(&self, run: &Run) -> Run {
        self.engine
            .call(GetRunRequest::ended(run.id))
            .await
            .expect("the run ends")
    }

    /// Waits until something has happened to the run for the nth time, and gives the record of it.
    pub(super) async fn recorded(&self, run: &Run, kind: &str, count: usize) -> Value {
        let records = self.engine.subscribe(FollowRunRequest { id: run.id, after: 0 });
        let records = records.map(|record| {
            serde_json::to_value(record.expect("the run can be followed")).expect("a record is JSON")
        });
        let mut found = records
            .filter(|record| std::future::ready(record["type"] == kind))
            .skip(count - 1);
        found
            .next()
            .await
            .unwrap_or_else(|| panic!("'{kind}' did not happen {count} times"))
    }

    /// Publishes an event.
    pub(super) async fn publish(&self, event: Value) {
        let event = serde_json::from_value(event).expect("the event is well-formed");
        self.engine
            .call(PublishEventRequest { event })
            .await
            .expect("the event is published");
    }

    /// Waits until the stand-in was asked this often.
    pub(super) async fn received(&self, count: usize) {
        self.server.received(count).await;
    }

    /// Sends the run an event.
    pub(super) async fn signal(&self, run: &Run, kind: &str, source: Option<&str>, data: Value) {
        let signal = SignalRunRequest {
            id: run.id,
            kind: kind.to_owned(),
            data: Some(data),
            source: source.map(str::to_owned),
            event_id: None,
        };
        self.engine.call(signal).await.expect("the run takes the event");
    }

    /// What the stand-in was asked: host, method, path and query.
    pub(super) fn asked(&self) -> Vec<String> {
        let requests = self.server.requests();
        let line = |request: &RecordedRequest| {
            let host = request.header("host").unwrap_or_default();
            format!("{} {host}{}", request.method, request.target)
        };
        requests.iter().map(line).collect()
    }

    /// The bodies of what the stand-in was asked, as JSON.
    pub(super) fn bodies(&self) -> Vec<Value> {
        let requests = self.server.requests();
        let json = |request: &RecordedRequest| serde_json::from_slice(&request.body).unwrap_or_default();
        requests.iter().map(json).collect()
    }

    /// A header of each thing the stand-in was asked.
    pub(super) fn headers(&self, name: &str) -> Vec<Option<String>> {
        let requests = self.server.requests();
        let header = |request: &RecordedRequest| request.header(name).map(str::to_owned);
        requests.iter().map(header).collect()
    }
}
