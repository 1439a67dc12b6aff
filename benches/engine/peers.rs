//! Other engines side by side with ours: the same work in turns, so that all of them see the same disk and neighbours.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{CONCURRENT_STEPS, ROUNDS, STEPS, deploy, median, open, run, run_many, runtime};

/// How many runs of ten steps are under way at once.
const RUNS: usize = 256;

/// A program that does the work of a line that it reads, and prints the seconds it took.
struct Peer {
    name: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sequential: Vec<f64>,
    concurrent: Vec<f64>,
    // Removed with this.
    _folder: tempfile::TempDir,
}

impl Peer {
    /// `words` is a name, a program and its first arguments. A program that does not get ready is told and left out.
    fn start(words: &[String]) -> Option<Self> {
        let [name, program, arguments @ ..] = words else {
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let numbers = [STEPS, RUNS, CONCURRENT_STEPS].map(|number| number.to_string());
        let mut process = Command::new(program)
            .args(arguments)
            .arg(folder.path())
            .args(numbers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut peer = Self {
            name: name.clone(),
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
            sequential: Vec::new(),
            concurrent: Vec::new(),
            _folder: folder,
        };
        if peer.line() == "ready" {
            return Some(peer);
        }
        println!("{name} was not measured: it did not start");
        None
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn seconds(&mut self, work: &str) -> f64 {
        writeln!(self.input, "{work}").unwrap();
        self.line().parse().unwrap_or(f64::NAN)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; the pipe that it reads from ends with this in any case.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Measures the peers whose commands are given, separated by `--`.
pub(crate) fn compare(commands: &[String]) {
    let runtime = runtime();
    let mut peers: Vec<Peer> = commands
        .split(|word| word == "--")
        .filter_map(Peer::start)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let engine = runtime.block_on(open(folder.path()));
    let long = runtime.block_on(deploy(&engine, STEPS));
    let short = runtime.block_on(deploy(&engine, CONCURRENT_STEPS));
    let (mut sequential, mut concurrent) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let one = runtime.block_on(run(&engine, &long));
        let many = runtime.block_on(run_many(&engine, &short, RUNS));
        if round > 0 {
            sequential.push(one);
            concurrent.push(many);
        }
        for peer in &mut peers {
            let (one, many) = (peer.seconds("sequential"), peer.seconds("concurrent"));
            if round > 0 {
                peer.sequential.push(one);
                peer.concurrent.push(many);
            }
        }
    }
    runtime.block_on(engine.close()).unwrap();
    println!(
        "{:<12} {:>14} {:>10} {:>16} {:>10}",
        "engine", "ms a step", "in ours", "steps/s at once", "in ours"
    );
    let ours = (median(sequential), median(concurrent));
    let row = |name: &str, one: f64, many: f64| {
        let steps = (RUNS * CONCURRENT_STEPS) as f64;
        println!(
            "{name:<12} {:>14.3} {:>9.1}x {:>16.0} {:>9.3}x",
            one * 1e3 / STEPS as f64,
            one / ours.0,
            steps / many,
            ours.1 / many
        );
    };
    row("atom", ours.0, ours.1);
    for peer in &peers {
        row(
            &peer.name,
            median(peer.sequential.clone()),
            median(peer.concurrent.clone()),
        );
    }
}
