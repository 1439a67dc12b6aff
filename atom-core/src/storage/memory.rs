//! A store that forgets everything when it is dropped.

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {}
