//! Finds the messages of an mbox file, one at a time.
//!
//! The format is that of RFC 4155 and of the mbox family it describes. A message starts with a line `From `
//! that carries a date, or follows a blank line and names a single address. `Content-Length` is ignored,
//! because programs that change a message do not keep it true. In bodies one `>` is taken from lines that
//! start with `>From `, `>>From ` and so on, as mboxrd wants it; for mboxo, which quotes only `From `, the
//! result is the same unless the text itself had a line starting with `>>From `.

use std::io::BufRead;

use super::buffer::{Lines, MessageBuffer, is_blank};

/// Why reading an mbox ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// At this byte there should be a line starting with `From `.
    #[error("no line starting with 'From ' at byte {0}")]
    NotMbox(u64),
}

/// Reads the messages of an mbox in the order of the file.
#[derive(Debug)]
pub(super) struct MboxReader<R> {
    lines: Lines<R>,
    /// Where the `From ` line of the next message starts, once it was read.
    separator: Option<u64>,
}

impl<R: BufRead> MboxReader<R> {
    /// Reads from a source that stands at this position of its file.
    pub(super) fn new(source: R, position: u64) -> Self {
        Self {
            lines: Lines::new(source, position),
            separator: None,
        }
    }

    /// Reads the next message into the buffer and returns the position of its `From ` line; `None` at the end.
    pub(super) fn next(&mut self, buffer: &mut MessageBuffer) -> Result<Option<u64>, ReadError> {
        let start = match self.separator.take() {
            Some(separator) => separator,
            None => match self.first_separator()? {
                Some(separator) => separator,
                None => return Ok(None),
            },
        };
        buffer.clear();
        let mut is_in_separator = true;
        let mut is_after_blank = false;
        while let Some(line) = self.lines.next()? {
            is_in_separator &= !line.is_start;
            if is_in_separator {
                continue;
            }
            if line.is_start && is_separator(line.bytes, is_after_blank) {
                self.separator = Some(line.position);
                break;
            }
            is_after_blank = line.is_start && is_blank(line.bytes);
            let is_quoted = line.is_start && buffer.is_in_body() && is_quoted_separator(line.bytes);
            buffer.push(&line.bytes[usize::from(is_quoted)..], line.is_start);
        }
        if is_after_blank {
            buffer.remove_last_line_end();
        }
        Ok(Some(start))
    }

    fn first_separator(&mut self) -> Result<Option<u64>, ReadError> {
        while let Some(line) = self.lines.next()? {
            if line.bytes.starts_with(b"From ") {
                return Ok(Some(line.position));
            }
            if !is_blank(line.bytes) {
                return Err(ReadError::NotMbox(line.position));
            }
        }
        Ok(None)
    }
}

fn is_quoted_separator(line: &[u8]) -> bool {
    let unquoted = line.iter().position(|byte| *byte != b'>').unwrap_or(line.len());
    unquoted > 0 && line[unquoted..].starts_with(b"From ")
}

/// Whether a line divides two messages, and is not a sentence that starts with "From".
fn is_separator(line: &[u8], is_after_blank: bool) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else {
        return false;
    };
    let mut words = rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let is_lone_sender = words.next().is_none() && (first == b"-" || first.contains(&b'@'));
    (is_after_blank && is_lone_sender) || has_date(rest)
}

/// Whether the words end in a date as `asctime` writes it, with or without a zone: a day of the week followed
/// by a month, a time and a year in any order.
fn has_date(rest: &[u8]) -> bool {
    const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    const MONTHS: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
    ];
    /// A zone and `remote from host` may follow the five words of the date.
    const MAX_WORDS: usize = 9;
    let words: Vec<_> = rest
        .split(u8::is_ascii_whitespace)
        .map(|word| word.strip_suffix(b",").unwrap_or(word).to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .take(32)
        .collect();
    let Some(day) = words.iter().position(|word| DAYS.contains(&word.as_slice())) else {
        return false;
    };
    let date = &words[day + 1..];
    date.len() <= MAX_WORDS
        && date.iter().any(|word| MONTHS.contains(&word.as_slice()))
        && date.iter().any(|word| is_time(word))
        && date
            .iter()
            .any(|word| word.len() == 4 && word.iter().all(u8::is_ascii_digit))
}

fn is_time(word: &[u8]) -> bool {
    let mut parts = 0;
    word.split(|byte| *byte == b':').all(|part| {
        parts += 1;
        (1..=2).contains(&part.len()) && part.iter().all(u8::is_ascii_digit)
    }) && (2..=3).contains(&parts)
}
