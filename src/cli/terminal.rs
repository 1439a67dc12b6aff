//! What a command writes to: output, and what is said beside it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use atom_engine::Error;

use super::error::CommandError;

/// The two streams of a command. Output that nobody reads any more ends the command, quietly.
pub(super) struct Terminal {
    output: Box<dyn Write>,
    remarks: Box<dyn Write>,
    /// Whether a line can be drawn over.
    can_redraw: bool,
    has_status: bool,
}

impl Terminal {
    /// Standard output and standard error.
    pub(super) fn standard() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            output: Box::new(io::stdout()),
            remarks: Box::new(io::stderr()),
            can_redraw: io::stderr().is_terminal() && !is_dumb,
            has_status: false,
        }
    }

    /// Writes text to the output, with a line end if it has none.
    pub(super) fn print(&mut self, text: &str) -> Result<(), CommandError> {
        self.clear_status();
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        let written = self
            .output
            .write_all(text.as_bytes())
            .and_then(|()| self.output.write_all(line_end.as_bytes()))
            .and_then(|()| self.output.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::NobodyReads,
            _ => CommandError::Output(error),
        })
    }

    /// Writes JSON to the output, for people.
    pub(super) fn print_pretty(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        self.print(&serde_json::to_string_pretty(value).map_err(unwritable)?)
    }

    /// Writes JSON to the output, as one line.
    pub(super) fn print_line(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        self.print(&serde_json::to_string(value).map_err(unwritable)?)
    }

    /// Says something beside the output, in one line.
    pub(super) fn complain(&mut self, message: &str) {
        self.clear_status();
        // When standard error is gone there is nobody left to tell.
        let _ = writeln!(self.remarks, "{}", printable(message));
    }

    /// Says JSON beside the output, as one line.
    pub(super) fn complain_json(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        self.complain(&serde_json::to_string(value).map_err(unwritable)?);
        Ok(())
    }

    /// Shows what is going on, over what was shown before.
    pub(super) fn show_status(&mut self, status: &str) {
        const MAX_LENGTH: usize = 72;
        if !self.can_redraw {
            return;
        }
        self.has_status = true;
        let status: String = printable(status).chars().take(MAX_LENGTH).collect();
        let _ = write!(self.remarks, "\r\x1b[2K{status}");
        let _ = self.remarks.flush();
    }

    fn clear_status(&mut self) {
        if std::mem::take(&mut self.has_status) {
            let _ = write!(self.remarks, "\r\x1b[2K");
            let _ = self.remarks.flush();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear_status();
    }
}

fn unwritable(error: serde_json::Error) -> CommandError {
    Error::internal("a value cannot be written as JSON")
        .with_source(error)
        .into()
}

/// Text in which nothing steers the terminal: it may come from a document that somebody else wrote. JSON stays JSON.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => printable.push_str("\\n"),
            '\r' => printable.push_str("\\r"),
            letter if letter.is_control() && letter != '\t' => {
                // Writing to a string cannot fail.
                let _ = write!(printable, "\\u{:04x}", u32::from(letter));
            }
            letter => printable.push(letter),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(can_redraw: bool, work: impl FnOnce(&mut Terminal)) -> String {
        let screen = Screen::default();
        let mut terminal = Terminal {
            output: Box::new(screen.clone()),
            remarks: Box::new(screen.clone()),
            can_redraw,
            has_status: false,
        };
        work(&mut terminal);
        drop(terminal);
        let bytes = screen.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_status_line_never_mixes_with_output() {
        let work = |terminal: &mut Terminal| {
            terminal.show_status("one");
            terminal.show_status("two");
            terminal.print("output").unwrap();
            terminal.show_status("three");
            terminal.complain("remark");
            terminal.show_status("four");
        };
        assert_eq!(
            shown(true, work),
            "\r\x1b[2Kone\r\x1b[2Ktwo\r\x1b[2Koutput\n\r\x1b[2Kthree\r\x1b[2Kremark\n\r\x1b[2Kfour\r\x1b[2K"
        );
        assert_eq!(shown(false, work), "output\nremark\n");
    }

    #[test]
    fn remarks_cannot_steer_the_terminal() {
        let steering = "a\x1b[2J\r\nb\u{9b}ü\t";
        assert_eq!(printable(steering), "a\\u001b[2J\\r\\nb\\u009bü\t");
        let json = serde_json::to_string(steering).unwrap();
        assert_eq!(
            serde_json::from_str::<String>(&printable(&json)).unwrap(),
            steering
        );
    }
}
