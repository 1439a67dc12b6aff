//! Documents that were read lately.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::request::Request;

/// How long a document is kept.
const LIFETIME: Duration = Duration::from_mins(5);
/// How many documents are kept.
const MAXIMUM_COUNT: usize = 32;
/// How many bytes of text the kept documents may have been read from.
const MAXIMUM_BYTES: usize = 32 * 1024 * 1024;

/// What a document was asked for with: its URI and the credential. Only a hash is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn of(request: &Request) -> Self {
        let credential = request
            .headers
            .get(reqwest::header::AUTHORIZATION)
            .map(|value| value.as_bytes());
        let mut hash = Sha256::new();
        // The URI has no line feed and a policy always the same length, so nothing can pass for a part of another.
        hash.update(request.uri.as_str());
        hash.update(b"\n");
        hash.update(request.policy.as_ref().map_or([0; 32], |policy| policy.hash));
        hash.update(credential.unwrap_or_default());
        Self(hash.finalize().into())
    }
}

#[derive(Debug)]
struct Entry<T> {
    key: Key,
    document: Arc<T>,
    bytes: usize,
    expires: Instant,
}

/// The documents that were read lately, oldest first.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    entries: Mutex<VecDeque<Entry<T>>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<T> Cache<T> {
    /// The document, if it is still fresh.
    pub(crate) fn get(&self, key: Key) -> Option<Arc<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        entries.retain(|entry| entry.expires > now);
        entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| Arc::clone(&entry.document))
    }

    /// Keeps a document, in the place of the oldest where there is no room.
    pub(crate) fn put(&self, key: Key, document: Arc<T>, bytes: usize) {
        if bytes > MAXIMUM_BYTES {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.key != key);
        while entries.len() >= MAXIMUM_COUNT
            || entries.iter().map(|entry| entry.bytes).sum::<usize>() + bytes > MAXIMUM_BYTES
        {
            entries.pop_front();
        }
        entries.push_back(Entry {
            key,
            document,
            bytes,
            expires: Instant::now() + LIFETIME,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;
    use url::Url;

    fn key(path: &str) -> Key {
        Key::of(&Request::new(
            Method::GET,
            Url::parse(&format!("https://x.test/{path}")).unwrap(),
        ))
    }

    fn document() -> Arc<()> {
        Arc::new(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_kept_for_its_lifetime() {
        let cache = Cache::default();
        cache.put(key("a"), document(), 10);
        tokio::time::advance(LIFETIME - Duration::from_secs(1)).await;
        assert!(cache.get(key("a")).is_some());
        assert!(cache.get(key("b")).is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.get(key("a")).is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let cache = Cache::default();
        for number in 0..=MAXIMUM_COUNT {
            cache.put(key(&number.to_string()), document(), 10);
        }
        assert!(cache.get(key("0")).is_none());
        assert!(cache.get(key("1")).is_some());
        cache.put(key("large"), document(), MAXIMUM_BYTES);
        assert!(cache.get(key("1")).is_none());
        cache.put(key("too large"), document(), MAXIMUM_BYTES + 1);
        assert!(cache.get(key("too large")).is_none());
        assert!(cache.get(key("large")).is_some());
    }

    #[test]
    fn another_credential_is_another_document() {
        let mut request = Request::new(Method::GET, Url::parse("https://x.test/").unwrap());
        let anonymous = Key::of(&request);
        request.add_header("authorization", "Bearer t").unwrap();
        assert_ne!(Key::of(&request), anonymous);
    }
}
