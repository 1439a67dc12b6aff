//! How an mbox is divided into messages.

use std::io::{BufRead, BufReader, Read};

use proptest::prelude::*;

use crate::local::mailbox::buffer::{MAX_HEADERS, MessageBuffer, Part};
use crate::local::mailbox::reader::{MboxReader, ReadError};

const SEPARATOR: &str = "From ada@example.com Tue Mar 10 08:00:00 2026\n";

fn read_all(source: impl BufRead, part: Part) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let mut reader = MboxReader::new(source, 0);
    let mut buffer = MessageBuffer::new(part);
    let mut messages = Vec::new();
    while let Some(position) = reader.next(&mut buffer)? {
        messages.push((position, buffer.bytes().to_vec()));
    }
    Ok(messages)
}

fn texts(mbox: &str) -> Vec<String> {
    let messages = read_all(mbox.as_bytes(), Part::Whole).unwrap();
    messages
        .into_iter()
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
        .collect()
}

#[test]
fn messages_are_divided() {
    let s = SEPARATOR;
    let cases: &[(&str, String, &[&str])] = &[
        ("nothing", String::new(), &[]),
        ("blank lines only", "\n\r\n".into(), &[]),
        ("one message", format!("{s}A: 1\n\nx\n\n"), &["A: 1\n\nx\n"]),
        ("no line end at the end", format!("{s}A: 1\n\nx"), &["A: 1\n\nx"]),
        ("CRLF", format!("{s}A: 1\n\nx\n\n{s}B: 2\n\ny\n").replace('\n', "\r\n"), &[
            "A: 1\r\n\r\nx\r\n",
            "B: 2\r\n\r\ny\r\n",
        ]),
        ("blank lines before the first", format!("\n\n{s}A: 1\n\nx\n"), &["A: 1\n\nx\n"]),
        ("headers only", format!("{s}A: 1\n\n{s}B: 2\n\n"), &["A: 1\n\n", "B: 2\n\n"]),
        ("no blank line between", format!("{s}A: 1\n\nx\n{s}B: 2\n\ny\n"), &["A: 1\n\nx\n", "B: 2\n\ny\n"]),
        ("cut in the headers", format!("{s}A: 1\nSubj\n{s}B: 2\n\ny\n"), &["A: 1\nSubj\n", "B: 2\n\ny\n"]),
        ("a sentence", format!("{s}A: 1\n\nx\n\nFrom now on, we meet at 10:00.\n\nz\n"), &[
            "A: 1\n\nx\n\nFrom now on, we meet at 10:00.\n\nz\n",
        ]),
        ("mboxrd quoting", format!("{s}A: 1\n\n>From x\n>>From y\n> From z\n>Fromage\n"), &[
            "A: 1\n\nFrom x\n>From y\n> From z\n>Fromage\n",
        ]),
        ("quoting is not undone in headers", format!("{s}>From b remote\nA: 1\n\nx\n"), &[
            ">From b remote\nA: 1\n\nx\n",
        ]),
        ("wrong Content-Length", format!("{s}Content-Length: 99999\n\nx\n\n{s}B: 2\n\ny\n"), &[
            "Content-Length: 99999\n\nx\n",
            "B: 2\n\ny\n",
        ]),
        ("Gmail Takeout", "From 1793@xxx Tue Mar 10 08:00:00 +0000 2026\r\nA: 1\r\n\r\nx\r\n\r\nFrom 1794@xxx Tue Mar 10 09:00:00 +0000 2026\r\nB: 2\r\n\r\n".into(), &[
            "A: 1\r\n\r\nx\r\n",
            "B: 2\r\n\r\n",
        ]),
        ("Thunderbird", "From - Tue Mar 10 08:00:00 2026\nA: 1\n\nx\n\nFrom - Tue Mar 10 08:00:00 2026\nB: 2\n\n".into(), &[
            "A: 1\n\nx\n",
            "B: 2\n\n",
        ]),
        ("separators without dates", "From a@example.com\nA: 1\n\nx\n\nFrom b@example.com\nB: 2\n\n".into(), &[
            "A: 1\n\nx\n",
            "B: 2\n\n",
        ]),
        ("mailing list archive", "From ada at example.com  Tue Mar 10 08:00:00 2026\nA: 1\n\nx\n".into(), &[
            "A: 1\n\nx\n",
        ]),
    ];
    for (name, mbox, expected) in cases {
        assert_eq!(texts(mbox), *expected, "{name}");
    }
}

#[test]
fn positions_lead_back_to_the_messages() {
    let mbox = format!("\n{SEPARATOR}A: 1\n\nx\n\n{SEPARATOR}B: 2\n\ny\n");
    for (position, bytes) in read_all(mbox.as_bytes(), Part::Whole).unwrap() {
        let start = usize::try_from(position).unwrap();
        assert!(mbox[start..].starts_with(SEPARATOR));
        let again = read_all(&mbox.as_bytes()[start..], Part::Whole).unwrap();
        assert_eq!(again[0].1, bytes);
    }
}

#[test]
fn a_file_that_is_no_mbox_is_refused_with_the_position() {
    for (text, expected) in [("Subject: x\n\nbody\n", 0), ("\n\nfrom me\n", 2), ("\0\0\0", 0)] {
        match read_all(text.as_bytes(), Part::Whole) {
            Err(ReadError::NotMbox(position)) => assert_eq!(position, expected, "{text:?}"),
            other => panic!("{text:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_too_large_body_is_dropped_and_the_next_message_is_not() {
    let body = "0123456789\n".repeat(100);
    let mbox = format!("{SEPARATOR}A: 1\n\n{body}\n{SEPARATOR}B: 2\n\ny\n");
    let mut reader = MboxReader::new(mbox.as_bytes(), 0);
    let mut buffer = MessageBuffer::new(Part::Whole).with_max_message(200);
    reader.next(&mut buffer).unwrap().unwrap();
    assert!(buffer.is_oversized());
    assert_eq!(buffer.bytes(), b"A: 1\n\n");
    assert!(buffer.size() >= body.len() as u64);
    reader.next(&mut buffer).unwrap().unwrap();
    assert!(!buffer.is_oversized());
    assert_eq!(buffer.bytes(), b"B: 2\n\ny\n");
}

/// Makes an mbox while it is read: many messages, one of them with a single line of several megabytes.
struct Generated {
    messages: u32,
    pending: Vec<u8>,
    offset: usize,
}

impl Read for Generated {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        if self.offset == self.pending.len() {
            if self.messages == 0 {
                return Ok(0);
            }
            let line = if self.messages == 7 {
                "y".repeat(8 << 20)
            } else {
                "z".repeat(70)
            };
            self.messages -= 1;
            let body = format!("{line}\n").repeat(if line.len() > 100 { 1 } else { 900 });
            self.pending = format!("{SEPARATOR}Subject: number {}\n\n{body}\n", self.messages).into_bytes();
            self.offset = 0;
        }
        let length = target.len().min(self.pending.len() - self.offset);
        target[..length].copy_from_slice(&self.pending[self.offset..][..length]);
        self.offset += length;
        Ok(length)
    }
}

#[test]
fn a_large_mbox_is_read_in_bounded_memory() {
    const MESSAGES: u32 = 1000;
    for (part, max_capacity) in [(Part::Headers, 4 << 10), (Part::Whole, 2 << 20)] {
        let source = Generated {
            messages: MESSAGES,
            pending: Vec::new(),
            offset: 0,
        };
        let mut reader = MboxReader::new(BufReader::new(source), 0);
        let mut buffer = MessageBuffer::new(part).with_max_message(1 << 20);
        let (mut count, mut bytes, mut oversized) = (0, 0, 0);
        while reader.next(&mut buffer).unwrap().is_some() {
            count += 1;
            bytes += buffer.size();
            oversized += u32::from(buffer.is_oversized());
            assert!(
                buffer.capacity() <= max_capacity,
                "{} bytes held",
                buffer.capacity()
            );
        }
        assert_eq!(count, MESSAGES);
        assert!(bytes > 64_000_000, "{bytes} bytes read");
        assert_eq!(oversized, u32::from(part == Part::Whole));
    }
}

#[test]
fn headers_without_end_are_not_collected() {
    let source = BufReader::new(SEPARATOR.as_bytes().chain(std::io::repeat(b'x').take(3 << 20)));
    let mut buffer = MessageBuffer::new(Part::Whole);
    MboxReader::new(source, 0).next(&mut buffer).unwrap().unwrap();
    assert!(buffer.has_oversized_headers());
    assert!(buffer.capacity() <= 2 * MAX_HEADERS);
}

/// Writes a message as mboxrd does.
fn quoted(body: &str) -> String {
    let mut text = String::new();
    for line in body.split_inclusive('\n') {
        if line.trim_start_matches('>').starts_with("From ") {
            text.push('>');
        }
        text.push_str(line);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn bodies() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        "[ -~]{0,40}",
        "[ -~äß€]{0,40}",
        ">{0,3}From .{0,20}",
        Just("From ada@example.com Tue Mar 10 08:00:00 2026".to_owned()),
        Just(String::new()),
    ];
    let line = line.prop_map(|line| line.replace(['\r', '\n'], " "));
    let body = prop::collection::vec(line, 0..12)
        .prop_map(|lines| lines.into_iter().map(|line| line + "\n").collect::<String>());
    prop::collection::vec(body, 0..6)
}

proptest! {
    #[test]
    fn what_is_written_as_mboxrd_is_read_unchanged(bodies in bodies(), chunk in 1_usize..64, is_crlf: bool) {
        let end = |text: String| if is_crlf { text.replace('\n', "\r\n") } else { text };
        let mut mbox = String::new();
        for body in &bodies {
            mbox.push_str(&format!("{SEPARATOR}Subject: x\n\n{}\n", quoted(body)));
        }
        let mbox = end(mbox);
        let expected: Vec<_> = bodies.iter().map(|body| end(format!("Subject: x\n\n{body}"))).collect();
        let source = BufReader::with_capacity(chunk, mbox.as_bytes());
        let read: Vec<_> = read_all(source, Part::Whole).unwrap().into_iter()
            .map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn the_size_of_the_chunks_does_not_matter(
        bytes in prop::collection::vec(prop_oneof![
            Just(SEPARATOR.as_bytes().to_vec()), Just(b"\r\n".to_vec()), Just(b"\n".to_vec()),
            Just(b">From x\n".to_vec()), prop::collection::vec(any::<u8>(), 0..80),
        ], 0..30),
        chunk in 1_usize..32,
    ) {
        let bytes = bytes.concat();
        let whole = read_all(bytes.as_slice(), Part::Whole).ok();
        let pieces = read_all(BufReader::with_capacity(chunk, bytes.as_slice()), Part::Whole).ok();
        prop_assert_eq!(whole, pieces);
    }
}
