//! Reads text files whose encoding nobody declared.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use atom_core::{Error, ErrorCode, Result};
use encoding_rs::{Encoding, WINDOWS_1252};

use super::access::read_error;

/// The largest text file that is read, in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 8 * 1024 * 1024;

/// The bytes of a file of at most [`MAX_TEXT_BYTES`].
///
/// # Errors
/// `limit_exceeded` for a larger file, or the error of the file system.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let metadata = std::fs::metadata(path).map_err(|error| read_error(path, error))?;
    // Opening a pipe would wait for somebody to write into it.
    if !metadata.is_file() {
        let kind = if metadata.is_dir() {
            "a folder"
        } else {
            "a device or pipe"
        };
        return Err(Error::invalid_request(format!("this is {kind}, not a file"))
            .with_context("path", path.display()));
    }
    let file = File::open(path).map_err(|error| read_error(path, error))?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(path, error))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            format!("the file is larger than {} MiB", MAX_TEXT_BYTES / (1024 * 1024)),
        )
        .with_context("path", path.display()));
    }
    Ok(bytes)
}

/// The text of a file of at most [`MAX_TEXT_BYTES`]; see [`decode`].
///
/// # Errors
/// `limit_exceeded` for a larger file, `invalid_data` for one that is not text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    decode(&read_bytes(path)?).ok_or_else(|| {
        Error::new(ErrorCode::InvalidData, "the file holds binary data, not text")
            .with_context("path", path.display())
    })
}

/// The text of these bytes, without its byte order mark: UTF-8 or UTF-16 as the mark says, or else UTF-8, or
/// else Windows-1252, the superset of Latin-1. `None` for binary data, which holds control characters.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => encoding
            .decode_without_bom_handling(bytes.get(length..)?)
            .0
            .into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        },
    };
    // Escape and backspace occur in logs and manual pages; the rest of the low range only in binary data.
    let is_binary = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\x1b' | '\x08');
    (!text.contains(is_binary)).then_some(text)
}

/// A line for people: at most `limit` characters, with an ellipsis where it was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_is_read() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(order)
                .collect()
        };
        let cases: [(&str, Vec<u8>); 5] = [
            ("UTF-8", "Größe".as_bytes().to_vec()),
            ("UTF-8 with mark", "\u{feff}Größe".as_bytes().to_vec()),
            ("UTF-16 little endian", utf16("Größe", u16::to_le_bytes)),
            ("UTF-16 big endian", utf16("Größe", u16::to_be_bytes)),
            ("Latin-1", b"Gr\xf6\xdfe".to_vec()),
        ];
        for (name, bytes) in cases {
            assert_eq!(decode(&bytes).as_deref(), Some("Größe"), "{name}");
        }
    }

    #[test]
    fn binary_data_is_not_text() {
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), None);
        assert_eq!(decode(b"plain\0text"), None);
        assert_eq!(decode(b"").as_deref(), Some(""));
    }

    #[test]
    fn a_large_file_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            read_bytes(folder.path()).unwrap_err().code(),
            ErrorCode::InvalidRequest
        );
        let path = folder.path().join("large.txt");
        File::create(&path).unwrap().set_len(MAX_TEXT_BYTES + 1).unwrap();
        assert_eq!(read_bytes(&path).unwrap_err().code(), ErrorCode::LimitExceeded);
    }
}
