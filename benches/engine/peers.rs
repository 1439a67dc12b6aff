//! Other engines side by side with ours: the same work in turns, so that all of them see the same disk and neighbours.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{CONCURRENT_STEPS, ROUNDS, STEPS, deploy, median, open, run, run_many, runtime};

/// How many runs of ten steps are under way at once.
const RUNS: usize = 256;

/// A program that does the work of a line that it reads, and prints the seconds it took.
pub(crate) struct Peer {
    pub(crate) name: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sequential: Vec<f64>,
    concurrent: Vec<f64>,
    // Removed with this.
    _folder: tempfile::TempDir,
}

impl Peer {
    /// `words` is a name, a program and its first arguments; it keeps its data in a folder of its own. A program that does not
    /// get ready is told and left out.
    fn start(words: &[String]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        Self::start_at(words, &place, RUNS, folder)
    }

    /// The same for a program that keeps its data at a place.
    pub(crate) fn start_at(
        words: &[String],
        place: &str,
        runs: usize,
        folder: tempfile::TempDir,
    ) -> Option<Self> {
        let [name, program, arguments @ ..] = words else {
            return None;
        };
        let numbers = [STEPS, runs, CONCURRENT_STEPS].map(|number| number.to_string());
        let mut command = Command::new(program);
        command.args(arguments).arg(place).args(numbers);
        Self::begin(name, command, folder)
    }

    /// This program again, told by a variable of its environment what to be.
    pub(crate) fn of_this_program(name: &str, variable: &str, value: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(variable, value);
        Self::begin(name, command, tempfile::tempdir().unwrap()).unwrap()
    }

    fn begin(name: &str, mut command: Command, folder: tempfile::TempDir) -> Option<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut peer = Self {
            name: name.to_owned(),
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

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn ask(&mut self, work: &str) {
        writeln!(self.input, "{work}").unwrap();
    }

    fn seconds(&mut self, work: &str) -> f64 {
        self.ask(work);
        self.line().parse().unwrap_or(f64::NAN)
    }

    /// Does both kinds of work once.
    pub(crate) fn take_turn(&mut self, counts: bool) {
        let (one, many) = (self.seconds("sequential"), self.seconds("concurrent"));
        if counts {
            self.sequential.push(one);
            self.concurrent.push(many);
        }
    }

    /// Steps a second of one run, and of so many at once.
    pub(crate) fn rates(&self, runs: usize) -> (f64, f64) {
        let rate = |steps: usize, seconds: &[f64]| steps as f64 / median(seconds.to_vec());
        (
            rate(STEPS, &self.sequential),
            rate(runs * CONCURRENT_STEPS, &self.concurrent),
        )
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
            peer.take_turn(round > 0);
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
