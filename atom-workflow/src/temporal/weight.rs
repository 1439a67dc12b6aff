//! How much of a history something takes: the server ends a run whose history is too large, and does not say how large it is.

use std::io::{self, Write};

use serde::Serialize;

use super::codec::MAX_INLINE_BYTES;

/// What an event of a history takes besides its payload, about.
const EVENT_BYTES: u64 = 512;

/// What a payload takes, in bytes. One that is kept in the store takes little.
pub(super) fn weight(payload: &impl Serialize) -> u64 {
    let mut counter = Counter::default();
    // What cannot be written fails where it is sent.
    let is_written = serde_json::to_writer(&mut counter, payload).is_ok();
    let is_inline = counter.bytes <= MAX_INLINE_BYTES as u64;
    if is_written && is_inline {
        EVENT_BYTES + counter.bytes
    } else {
        EVENT_BYTES
    }
}

#[derive(Default)]
struct Counter {
    bytes: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
