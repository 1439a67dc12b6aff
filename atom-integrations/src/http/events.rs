//! Server-sent events, as the HTML standard defines them
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

/// Takes a `text/event-stream` apart as it comes. Whoever feeds it bounds how much it holds.
#[derive(Debug, Default)]
pub(crate) struct EventDecoder {
    line: Vec<u8>,
    data: Option<String>,
    /// Whether the last byte was a carriage return: a line feed after it belongs to the same line end.
    is_after_return: bool,
    /// Whether a line was read; a byte order mark may stand before the first one.
    has_begun: bool,
}

impl EventDecoder {
    /// Takes the next bytes and gives the data of every event that is complete with them. Events without data
    /// are nothing; an event that the end of the stream cuts off never comes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match part.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(*end)),
                _ => (part, None),
            };
            let is_rest_of_end = std::mem::take(&mut self.is_after_return) && part == b"\n";
            if is_rest_of_end {
                continue;
            }
            self.line.extend_from_slice(text);
            if let Some(end) = end {
                self.is_after_return = end == b'\r';
                events.extend(self.end_line());
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line).into_owned();
        if !std::mem::replace(&mut self.has_begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned();
        }
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(chunks: &[&[u8]]) -> Vec<String> {
        let mut decoder = EventDecoder::default();
        chunks.iter().flat_map(|chunk| decoder.push(chunk)).collect()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", ["a", "b"].as_slice()),
            ("data:a\r\rdata:b\r\n\r\n", &["a", "b"]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("data: first\ndata:  second\ndata\n\n", &["first\n second\n"]),
            (": a comment\nevent: x\nid: 1\nretry: 5\n\n", &[]),
            ("event: x\ndata: {\"a\":1}\nid: 7\n\n", &["{\"a\":1}"]),
            ("data: cut off\n", &[]),
            ("data\n\n", &[""]),
            ("\n\n\ndata: é\n\n", &["é"]),
        ] {
            assert_eq!(decoded(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(
            lines in prop::collection::vec("(data: ?[a-zé:]{0,6}|id: 1|:|)(\r\n|\n|\r)", 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stream = lines.concat().into_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decoded(&chunks), decoded(&[&stream]));
        }
    }
}
