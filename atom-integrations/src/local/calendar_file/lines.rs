//! The unfolded content lines of an iCalendar file, with the numbers of the lines they begin on.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// One content line (RFC 5545 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line of the file it begins on, from 1.
    pub(super) number: usize,
    /// Its text: UTF-8, or else Windows-1252, the superset of Latin-1.
    pub(super) text: Cow<'a, str>,
}

impl Line<'_> {
    /// The value, when this is the named property (in upper case).
    pub(super) fn value_of(&self, property: &str) -> Option<&str> {
        let (name, rest) = self.text.split_at_checked(property.len())?;
        if !name.eq_ignore_ascii_case(property) {
            return None;
        }
        match rest.as_bytes().first()? {
            b':' => rest.get(1..),
            // A colon within a quoted parameter does not end the parameters.
            b';' => {
                let mut is_quoted = false;
                let colon = rest.bytes().position(|byte| {
                    is_quoted ^= byte == b'"';
                    byte == b':' && !is_quoted
                })?;
                rest.get(colon + 1..)
            }
            _ => None,
        }
    }
}

/// Unfolds before it decodes: a line may be folded in the middle of a character.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a file, without its byte order mark.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            number: 0,
        }
    }

    /// The next line of the file, as it stands there.
    fn physical(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = match self.rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
            None => (self.rest, <&[u8]>::default()),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn is_folded(&self) -> bool {
        matches!(self.rest.first(), Some(b' ' | b'\t'))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let first = self.physical()?;
        let number = self.number;
        if !self.is_folded() {
            return Some(Line {
                number,
                text: decode(first),
            });
        }
        let mut bytes = first.to_vec();
        while self.is_folded() {
            bytes.extend_from_slice(self.physical()?.get(1..).unwrap_or_default());
        }
        Some(Line {
            number,
            text: Cow::Owned(decode(&bytes).into_owned()),
        })
    }
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// A value from a file, short enough for a message.
pub(super) fn shown(value: &str) -> String {
    let mut short: String = value
        .chars()
        .take(60)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_unfolded_and_keep_their_numbers() {
        let text = "\u{feff}A:1\r\nB:caf\r\n \u{e9}\n\tx\nC:3";
        let lines: Vec<_> = Lines::new(text.as_bytes())
            .map(|line| (line.number, line.text.into_owned()))
            .collect();
        let expected = [(1, "A:1"), (2, "B:caféx"), (5, "C:3")];
        assert_eq!(lines, expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn a_character_may_be_folded_in_the_middle() {
        let bytes = b"SUMMARY:caf\xc3\r\n \xa9\r\n";
        assert_eq!(Lines::new(bytes).next().unwrap().text, "SUMMARY:café");
        assert_eq!(Lines::new(b"X:caf\xe9").next().unwrap().text, "X:café");
    }

    #[test]
    fn a_value_is_found_behind_the_parameters() {
        let line = |text: &'static str| Line {
            number: 1,
            text: text.into(),
        };
        assert_eq!(line("begin:VEVENT").value_of("BEGIN"), Some("VEVENT"));
        assert_eq!(
            line("RRULE;X=\"a:b\":FREQ=DAILY").value_of("RRULE"),
            Some("FREQ=DAILY")
        );
        for text in ["RRULE", "RRULES:x", "é", ""] {
            assert_eq!(line(text).value_of("RRULE"), None, "{text}");
        }
    }
}
