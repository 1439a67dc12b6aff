//! The two streams of a container, which share one connection: frames of an eight-byte header and a payload
//! (<https://docs.docker.com/reference/api/engine/version/v1.44/#tag/Container/operation/ContainerAttach>).

use atom_core::{Error, ErrorCode, Result};

use crate::process::outcome::{MAXIMUM_OUTPUT, too_long};

/// Takes the streams apart.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    header: Vec<u8>,
    /// The stream of the payload under way, and how much of it is still to come.
    payload: Option<(u8, usize)>,
}

impl Streams {
    /// Takes in what came over the connection, cut anywhere.
    ///
    /// # Errors
    /// `limit_exceeded` when a stream becomes too long, `upstream` for what is no frame.
    pub(super) fn take(&mut self, mut chunk: &[u8]) -> Result<()> {
        while !chunk.is_empty() {
            let Some((stream, left)) = self.payload else {
                let (head, rest) = chunk.split_at(chunk.len().min(8 - self.header.len()));
                self.header.extend_from_slice(head);
                chunk = rest;
                if let [stream, 0, 0, 0, length @ ..] = self.header.as_slice()
                    && let Ok(length) = <[u8; 4]>::try_from(length)
                {
                    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                    self.payload = (length > 0).then_some((*stream, length));
                    self.header.clear();
                } else if self.header.len() == 8 {
                    let message = "the container engine sent what is no output of a container";
                    return Err(Error::new(ErrorCode::Upstream, message));
                }
                continue;
            };
            let (data, rest) = chunk.split_at(chunk.len().min(left));
            chunk = rest;
            let (into, name) = match stream {
                2 => (&mut self.stderr, "standard error"),
                _ => (&mut self.stdout, "standard output"),
            };
            if into.len() + data.len() > MAXIMUM_OUTPUT {
                return Err(too_long(name));
            }
            into.extend_from_slice(data);
            self.payload = (left > data.len()).then(|| (stream, left - data.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(stream: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], length.as_slice(), data].concat()
    }

    proptest! {
        #[test]
        fn frames_are_read_wherever_they_are_cut(
            frames in prop::collection::vec((1u8..3, prop::collection::vec(any::<u8>(), 0..20)), 0..10),
            size in 1usize..30,
        ) {
            let wire: Vec<u8> = frames.iter().flat_map(|(stream, data)| frame(*stream, data)).collect();
            let mut streams = Streams::default();
            for chunk in wire.chunks(size) {
                streams.take(chunk).unwrap();
            }
            let of = |wanted: u8| -> Vec<u8> {
                frames.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, data)| data.clone()).collect()
            };
            prop_assert_eq!(&streams.stdout, &of(1));
            prop_assert_eq!(&streams.stderr, &of(2));
        }
    }

    #[test]
    fn what_is_no_frame_or_too_long_is_refused() {
        let error = Streams::default().take(b"HTTP/1.1 500").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Upstream);
        let mut streams = Streams::default();
        streams.take(&frame(1, &vec![0; MAXIMUM_OUTPUT])).unwrap();
        let error = streams.take(&frame(1, b"x")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }
}
