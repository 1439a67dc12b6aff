//! Server-sent events, as the HTML standard defines them
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

/// An event that has data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerSentEvent {
    pub(crate) data: String,
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
}

/// Takes a `text/event-stream` apart as it comes. Whoever feeds it bounds how much it holds.
#[derive(Debug, Default)]
pub(crate) struct EventDecoder {
    line: Vec<u8>,
    event: ServerSentEvent,
    has_data: bool,
    /// What the stream says about how long to wait before it is asked for again, in milliseconds.
    retry: Option<u64>,
    /// Whether the last byte was a carriage return: a line feed after it belongs to the same line end.
    is_after_return: bool,
    /// Whether a line was read; a byte order mark may stand before the first one.
    has_begun: bool,
}

impl EventDecoder {
    /// Takes the next bytes and gives every event that is complete with them. Events without data are nothing; an
    /// event that the end of the stream cuts off never comes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<ServerSentEvent> {
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

    /// How long the stream asks to wait before it is asked for again, in milliseconds.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// How many bytes of an event that is not complete are held.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn held(&self) -> usize {
        let texts = [&self.event.event, &self.event.id].into_iter().flatten();
        self.line.len() + self.event.data.len() + texts.map(String::len).sum::<usize>()
    }

    fn end_line(&mut self) -> Option<ServerSentEvent> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line).into_owned();
        if !std::mem::replace(&mut self.has_begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned();
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => self.event.event = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => self.retry = value.parse().ok(),
            // Comments, and fields that nobody knows.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(chunks: &[&[u8]]) -> Vec<ServerSentEvent> {
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
            let found = decoded(&[stream.as_bytes()]).into_iter().map(|event| event.data);
            assert_eq!(found.collect::<Vec<_>>(), expected, "{stream:?}");
        }
    }

    #[cfg(feature = "asyncapi")]
    #[test]
    fn an_event_has_its_own_name_and_id() {
        let mut decoder = EventDecoder::default();
        let events =
            decoder.push(b"event: added\nid: 7\nretry: 5\ndata: x\n\nevent: empty\n\ndata: y\n\ndata: z");
        let named = |event: &ServerSentEvent| (event.data.clone(), event.event.clone(), event.id.clone());
        let found: Vec<_> = events.iter().map(named).collect();
        let added = ("x".to_owned(), Some("added".to_owned()), Some("7".to_owned()));
        assert_eq!(found, [added, ("y".to_owned(), None, None)]);
        assert_eq!((decoder.retry(), decoder.held()), (Some(5), "data: z".len()));
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
