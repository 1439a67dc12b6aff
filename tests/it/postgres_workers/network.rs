//! A network between an engine and the server that is slow, and loses connections at any point.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::crew::{Crew, steps, until};

/// What becomes of something that is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    Late(Duration),
    /// Half of it arrives, then the connection is lost.
    Half,
    /// Nothing of it arrives, as the connection is lost.
    Lost,
    /// It arrives, and the connection is lost before there is an answer.
    Unanswered,
}

/// A folder with a socket that leads to the server.
struct Network {
    folder: TempDir,
    line: Arc<Line>,
}

/// How the network is at the moment.
#[derive(Default)]
struct Line {
    /// Where the faults come from; the same seed gives the same ones.
    dice: AtomicU64,
    /// How many faults are still to come.
    faults: AtomicUsize,
    /// Whether what bears the mark gets no answer, nor any connection a server afterwards.
    is_cut_at_mark: AtomicBool,
    is_cut: AtomicBool,
}

/// What stands in a message whose answer is lost.
const MARK: &str = "the answer to this is lost";

impl Network {
    fn new(crew: &Crew, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let server = format!("{}/.s.PGSQL.5432", crew.host());
        let line = Arc::new(Line {
            dice: AtomicU64::new(seed),
            ..Line::default()
        });
        let shared = Arc::clone(&line);
        // Ends with the runtime of the test.
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if !shared.is_cut.load(Ordering::SeqCst)
                    && let Ok(server) = UnixStream::connect(&server).await
                {
                    tokio::spawn(connect(Arc::clone(&shared), client, server));
                }
            }
        });
        Self { folder, line }
    }

    fn host(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn faults_left(&self) -> usize {
        self.line.faults.load(Ordering::SeqCst)
    }
}

impl Line {
    fn roll(&self) -> u64 {
        // SplitMix64.
        let state = self
            .dice
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fate(&self, sent: &[u8]) -> Fate {
        let is_marked = || sent.windows(MARK.len()).any(|part| part == MARK.as_bytes());
        if self.is_cut_at_mark.load(Ordering::SeqCst) && is_marked() {
            self.is_cut.store(true, Ordering::SeqCst);
            return Fate::Unanswered;
        }
        let roll = self.roll() % 100;
        let has_faults = |left: usize| left.checked_sub(1);
        let fate = match roll {
            0 => Fate::Half,
            1 => Fate::Lost,
            2 => Fate::Unanswered,
            3..=12 => Fate::Late(Duration::from_millis(roll * 10)),
            _ => return Fate::Arrives,
        };
        let order = Ordering::SeqCst;
        match self.faults.fetch_update(order, order, has_faults) {
            Ok(_) => fate,
            Err(_) => Fate::Arrives,
        }
    }
}

/// Carries what is sent to and fro until the connection is lost.
async fn connect(line: Arc<Line>, client: UnixStream, server: UnixStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut asked = vec![0; 64 * 1024];
    let mut answered = vec![0; 64 * 1024];
    loop {
        let carried = tokio::select! {
            read = from_client.read(&mut asked) => {
                let sent = &asked[..read.unwrap_or(0)];
                match line.fate(sent) {
                    Fate::Unanswered => {
                        // The server does as it is asked.
                        let _ = to_server.write_all(sent).await;
                        let _ = from_server.read(&mut answered).await;
                        return;
                    }
                    fate => carry(sent, fate, &mut to_server).await,
                }
            }
            read = from_server.read(&mut answered) => {
                let sent = &answered[..read.unwrap_or(0)];
                carry(sent, line.fate(sent), &mut to_client).await
            }
        };
        if !carried || line.is_cut.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Whether the connection is still there.
async fn carry(sent: &[u8], fate: Fate, to: &mut (impl AsyncWriteExt + Unpin)) -> bool {
    let arrives = match fate {
        Fate::Arrives => sent,
        Fate::Late(by) => {
            tokio::time::sleep(by).await;
            sent
        }
        Fate::Half => &sent[..sent.len() / 2],
        Fate::Lost | Fate::Unanswered => &[],
    };
    to.write_all(arrives).await.is_ok() && arrives.len() == sent.len() && !sent.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_run_ends_over_a_network_that_is_slow_and_loses_connections() {
    const RUNS: usize = 12;
    const STEPS: usize = 40;
    const FAULTS: usize = 30;
    for seed in [1, 2] {
        let Some(crew) = Crew::new("max_connections=4&lease_ms=1500").await else {
            return;
        };
        let networks = [Network::new(&crew, seed), Network::new(&crew, seed + 100)];
        let workers = [
            crew.worker_by(networks[0].host()).await.unwrap(),
            crew.worker_by(networks[1].host()).await.unwrap(),
        ];
        let client = crew.client().await;
        for network in &networks {
            network.line.faults.store(FAULTS, Ordering::SeqCst);
        }
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(client.start(&steps(STEPS)).await);
        }
        for run in &runs {
            crew.assert_whole(&client, run, STEPS).await;
        }
        let left: usize = networks.iter().map(Network::faults_left).sum();
        assert!(
            left < FAULTS,
            "seed {seed}: the network was better than it should be"
        );
        for network in &networks {
            network.line.faults.store(0, Ordering::SeqCst);
        }
        for worker in workers.into_iter().chain([client]) {
            worker.close().await;
        }
    }
}

/// The lease outlasts the failure: so nobody else comes to take over what the engine does not know to be its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_started_although_nobody_heard_of_it_goes_on() {
    let Some(crew) = Crew::new("max_connections=4&lease_ms=8000").await else {
        return;
    };
    let network = Network::new(&crew, 1);
    let worker = crew.worker_by(network.host()).await.unwrap();
    // What it needs to know of the document it knows by then.
    let first = worker.start(&steps(1)).await;
    crew.assert_whole(&worker, &first, 1).await;
    network.line.is_cut_at_mark.store(true, Ordering::SeqCst);
    let start = json!({ "document": steps(1), "input": { "mark": MARK } });
    let error = worker.try_call("runs.start", start).await.unwrap_err();
    assert_eq!(error.code(), atom_engine::ErrorCode::Unavailable, "{error}");
    network.line.is_cut_at_mark.store(false, Ordering::SeqCst);
    network.line.is_cut.store(false, Ordering::SeqCst);

    let list = worker.call("runs.list", json!({})).await;
    let runs = list["items"].as_array().unwrap().clone();
    assert_eq!(runs.len(), 2, "the database has it: {list}");
    let second = runs.iter().find(|run| run["id"] != *first).unwrap();
    let second = second["id"].as_str().unwrap();
    until("it ends", async || worker.status(second).await == "completed").await;
    crew.assert_whole(&worker, second, 1).await;
    worker.close().await;
}
