//! Workers in processes of their own, which tests kill.

use std::process::{Child, Command, Stdio};

/// A process that carries out one test of this program; killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(test: &str, environment: &[(&str, &str)]) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(process.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
