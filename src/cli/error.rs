//! How a command fails.

use std::io;

use atom_engine::{Error, RunId};
use serde_json::{Value, json};

use super::terminal::Terminal;

/// How a command fails, and with it the exit code.
#[derive(Debug)]
pub(super) enum CommandError {
    /// The command cannot be carried out as it was given.
    Usage(String),
    /// The engine says no.
    Engine(Error),
    /// A run ended in a fault.
    Faulted { run: RunId, error: Value },
    /// Whoever read the output has gone, and wants no more of it.
    NobodyReads,
    /// The output cannot be written.
    Output(io::Error),
    /// The system denies a thread or a signal.
    System(io::Error),
    /// The person at the keyboard pressed Ctrl-C; what to tell them, if anything.
    Interrupted(Option<String>),
}

impl CommandError {
    pub(super) fn exit_code(&self) -> i32 {
        match self {
            Self::Usage(_) => 2,
            Self::Engine(_) | Self::Faulted { .. } | Self::Output(_) | Self::System(_) => 1,
            Self::NobodyReads => 0,
            // As shells report a process that SIGINT has ended.
            Self::Interrupted(_) => 130,
        }
    }

    pub(super) fn show(&self, terminal: &mut Terminal) {
        match self {
            Self::Usage(message) => terminal.complain(message),
            Self::Engine(error) => match serde_json::to_string(&error.report()) {
                Ok(report) => terminal.complain(&report),
                Err(_) => terminal.complain(&error.to_string()),
            },
            Self::Faulted { run, error } => {
                let mut told = json!({ "run": run });
                if let (Some(told), Value::Object(error)) = (told.as_object_mut(), error) {
                    told.extend(error.clone());
                }
                terminal.complain(&told.to_string());
            }
            Self::Output(error) => terminal.complain(&format!("the output cannot be written: {error}")),
            Self::System(error) => terminal.complain(&format!("the system is out of something: {error}")),
            Self::Interrupted(Some(advice)) => terminal.complain(advice),
            Self::NobodyReads | Self::Interrupted(None) => {}
        }
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}
