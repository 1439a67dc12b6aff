//! Holds one message while it is read, within fixed bounds.

use std::io::{BufRead, Read};

/// The largest message whose body is loaded, in bytes; of a larger one only the headers are kept.
pub(super) const MAX_MESSAGE: usize = 64 << 20;

/// The largest header section that is read, in bytes; a message with a larger one is skipped.
pub(super) const MAX_HEADERS: usize = 512 << 10;

/// Lines longer than this are read in pieces.
const PIECE: u64 = 64 << 10;

/// How much of a message to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Headers,
    Whole,
}

/// One message: its headers, and its body as far as it is wanted and not too large.
#[derive(Debug)]
pub(super) struct MessageBuffer {
    part: Part,
    max_message: usize,
    bytes: Vec<u8>,
    /// Where the body starts, once the blank line after the headers was seen.
    body: Option<usize>,
    size: u64,
    has_oversized_headers: bool,
    is_oversized: bool,
}

impl MessageBuffer {
    pub(super) fn new(part: Part) -> Self {
        Self {
            part,
            max_message: MAX_MESSAGE,
            bytes: Vec::new(),
            body: None,
            size: 0,
            has_oversized_headers: false,
            is_oversized: false,
        }
    }

    #[cfg(test)]
    pub(super) fn with_max_message(mut self, max_message: usize) -> Self {
        self.max_message = max_message;
        self
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.body = None;
        self.size = 0;
        self.has_oversized_headers = false;
        self.is_oversized = false;
    }

    /// Adds a line, or a further piece of a long one.
    pub(super) fn push(&mut self, piece: &[u8], is_line_start: bool) {
        self.size += piece.len() as u64;
        match self.body {
            None if self.has_oversized_headers || self.bytes.len() + piece.len() > MAX_HEADERS => {
                self.has_oversized_headers = true;
                self.bytes.clear();
            }
            None => {
                self.bytes.extend_from_slice(piece);
                if is_line_start && is_blank(piece) {
                    self.body = Some(self.bytes.len());
                }
            }
            Some(_) if self.part == Part::Headers || self.is_oversized => {}
            Some(body) if self.bytes.len() + piece.len() > self.max_message => {
                self.is_oversized = true;
                self.bytes.truncate(body);
                self.bytes.shrink_to_fit();
            }
            Some(_) => self.bytes.extend_from_slice(piece),
        }
    }

    /// Takes back the blank line that only separates a message from the next one.
    pub(super) fn remove_last_line_end(&mut self) {
        let Some(body) = self.body else { return };
        for end in [b'\n', b'\r'] {
            if self.bytes.len() > body && self.bytes.last() == Some(&end) {
                self.bytes.pop();
            }
        }
    }

    /// Whether the body has begun.
    pub(super) fn is_in_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether nothing that follows in the message would be kept.
    pub(super) fn is_complete(&self) -> bool {
        self.part == Part::Headers && self.is_in_body()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The size of what was pushed, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the body was left out because the message is larger than [`MAX_MESSAGE`].
    pub(super) fn is_oversized(&self) -> bool {
        self.is_oversized
    }

    /// Whether the headers were left out because they are larger than [`MAX_HEADERS`].
    pub(super) fn has_oversized_headers(&self) -> bool {
        self.has_oversized_headers
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Whether a line is empty.
pub(super) fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// Reads lines in pieces of bounded size.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    piece: Vec<u8>,
    position: u64,
    is_line_start: bool,
}

/// A line, or a piece of a long one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: u64,
    /// Whether this is the beginning of a line, not a further piece of a long one.
    pub(super) is_start: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads from a source that stands at this position of its file.
    pub(super) fn new(source: R, position: u64) -> Self {
        Self {
            source,
            piece: Vec::new(),
            position,
            is_line_start: true,
        }
    }

    /// The next line or piece; `None` at the end.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
        self.piece.clear();
        let length = (&mut self.source)
            .take(PIECE)
            .read_until(b'\n', &mut self.piece)?;
        if length == 0 {
            return Ok(None);
        }
        let (position, is_start) = (self.position, self.is_line_start);
        self.position += length as u64;
        self.is_line_start = self.piece.ends_with(b"\n");
        Ok(Some(Line {
            bytes: &self.piece,
            position,
            is_start,
        }))
    }
}
