//! Messages on the wire: each with a flag and its length before it
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use atom_core::{Error, ErrorCode, Result};
use prost_reflect::bytes::{Buf, Bytes, BytesMut};

use crate::http::failure;

/// The flag and the length.
const PREFIX: usize = 5;

/// How many messages one answer may have.
pub(super) const MAXIMUM_MESSAGES: usize = 10_000;

/// Writes a message, not compressed.
///
/// # Errors
/// `limit_exceeded` for a message of 4 GiB or more.
pub(super) fn write(message: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(message.len()).map_err(|_| {
        Error::new(
            ErrorCode::LimitExceeded,
            "the arguments are too long for a message",
        )
    })?;
    let mut bytes = Vec::with_capacity(PREFIX + message.len());
    bytes.push(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    Ok(bytes)
}

/// Takes an answer apart as it comes.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: BytesMut,
    messages: Vec<Bytes>,
    bytes: u64,
    limit: u64,
}

impl Reader {
    /// A reader of answers of at most so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            buffer: BytesMut::new(),
            messages: Vec::new(),
            bytes: 0,
            limit,
        }
    }

    /// Takes in what came.
    ///
    /// # Errors
    /// `limit_exceeded` for too many bytes or messages, `invalid_data` for a compressed message, which was not
    /// asked for.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limit {
            return Err(failure::too_long("the answer", self.limit));
        }
        self.buffer.extend_from_slice(chunk);
        while let Some(message) = self.next()? {
            if self.messages.len() >= MAXIMUM_MESSAGES {
                let message = format!("the answer has more than {MAXIMUM_MESSAGES} messages");
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            self.messages.push(message);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        if flag != 0 {
            let message = "the service compressed its answer without being asked";
            return Err(Error::new(ErrorCode::InvalidData, message));
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.buffer.len() - PREFIX < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// The messages that came.
    ///
    /// # Errors
    /// `unavailable` when the answer ends within a message.
    pub(super) fn finish(self) -> Result<Vec<Bytes>> {
        if self.buffer.is_empty() {
            return Ok(self.messages);
        }
        let message = "the connection to the service broke before the answer was complete";
        Err(Error::new(ErrorCode::Unavailable, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_come_back_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8),
            size in 1_usize..40,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| write(message).unwrap()).collect();
            let mut reader = Reader::new(10_000);
            for chunk in bytes.chunks(size) {
                reader.push(chunk).unwrap();
            }
            let read: Vec<_> = reader.finish().unwrap().into_iter().map(|message| message.to_vec()).collect();
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut reader = Reader::new(50);
            if reader.push(&bytes).is_ok() {
                let _ = reader.finish();
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let cut = {
            let mut reader = Reader::new(100);
            reader.push(&[0, 0, 0, 0, 9, 1]).unwrap();
            reader.finish().unwrap_err()
        };
        let compressed = Reader::new(100).push(&[1, 0, 0, 0, 0]).unwrap_err();
        let long = Reader::new(5).push(&[0; 6]).unwrap_err();
        let many = Reader::new(1_000_000)
            .push(&[0; (MAXIMUM_MESSAGES + 1) * PREFIX])
            .unwrap_err();
        assert_eq!(
            [cut.code(), compressed.code(), long.code(), many.code()],
            [
                ErrorCode::Unavailable,
                ErrorCode::InvalidData,
                ErrorCode::LimitExceeded,
                ErrorCode::LimitExceeded
            ]
        );
    }
}
