//! What a script has written, and whether it may go on.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atom_core::Error;

use crate::process::outcome::{MAXIMUM_OUTPUT, too_long};

/// What a script has written, and whether it may go on.
#[derive(Debug)]
pub(super) struct Console {
    is_interrupted: Arc<AtomicBool>,
    pub(super) stdout: RefCell<Vec<u8>>,
    pub(super) stderr: RefCell<Vec<u8>>,
    /// The code it ended itself with.
    pub(super) exit: Cell<Option<i32>>,
    /// Why it was ended.
    pub(super) refusal: RefCell<Option<Error>>,
    has_ended: Cell<bool>,
}

impl Console {
    pub(super) fn new(is_interrupted: Arc<AtomicBool>) -> Self {
        Self {
            is_interrupted,
            stdout: RefCell::default(),
            stderr: RefCell::default(),
            exit: Cell::default(),
            refusal: RefCell::default(),
            has_ended: Cell::default(),
        }
    }

    /// Whether the script must not go on.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get() || self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Whether it was ended from outside.
    pub(super) fn was_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self, code: i32) {
        if !self.has_ended.replace(true) {
            self.exit.set(Some(code));
        }
    }

    /// Keeps what the script writes. What it writes after its end is nobody's.
    pub(super) fn write(&self, stream: i32, text: &str) {
        if self.has_ended() {
            return;
        }
        let (buffer, name) = match stream {
            1 => (&self.stdout, "standard output"),
            _ => (&self.stderr, "standard error"),
        };
        let mut buffer = buffer.borrow_mut();
        if buffer.len() + text.len() > MAXIMUM_OUTPUT {
            self.has_ended.set(true);
            *self.refusal.borrow_mut() = Some(too_long(name));
        } else {
            buffer.extend_from_slice(text.as_bytes());
        }
    }
}
