//! Identifiers, and where their randomness comes from.
//!
//! Ids of runs are time-ordered (UUID version 7, RFC 9562 section 5.7), so that a list of runs is sorted by
//! age. Ids of things that follow from a run (child runs, approvals, events a run emits) are derived from the run's id
//! (UUID version 5, section 5.5): a replay gives the same ones.
//!
//! ```
//! use atom_core::RunId;
//!
//! let parent: RunId = "0192f0c1-0000-7000-8000-000000000001".parse()?;
//! assert_eq!(parent.derive("child:3"), parent.derive("child:3"));
//! # Ok::<(), atom_core::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result};

/// Supplies randomness for ids and jitter.
pub trait RandomSource: Send + Sync + std::fmt::Debug {
    /// Sixteen fresh random bytes.
    fn random_bytes(&self) -> [u8; 16];
}

/// The id of one run of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct RunId(Uuid);

impl RunId {
    /// A time-ordered id for a run that starts at `now`.
    #[must_use]
    pub fn new(now: Timestamp, random: &dyn RandomSource) -> Self {
        let bytes = random.random_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&bytes[..10]);
        Self::from_parts(now, tail)
    }

    /// The time-ordered id made of a moment and ten bytes.
    #[must_use]
    pub fn from_parts(now: Timestamp, tail: [u8; 10]) -> Self {
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &tail).into_uuid())
    }

    /// The id whose 16 bytes these are, in the order of RFC 9562.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id, in the order of RFC 9562.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// An id that follows from this one and a name: the same every time.
    #[must_use]
    pub fn derive(self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }
}

/// The id of one approval that a run waits for.
///
/// It follows from the run, its owner and the place in the run: asking again after a crash gives the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct ApprovalId(Uuid);

impl ApprovalId {
    /// The id of what a run asks with the action of this number. Ids of runs are unique within an owner only, approvals
    /// are seen by others.
    #[must_use]
    pub fn new(owner: &crate::Scope, run: RunId, action: u64) -> Self {
        Self(run.derive(&format!("{owner}:approval:{action}")).0)
    }

    /// The id whose 16 bytes these are, in the order of RFC 9562.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id, in the order of RFC 9562.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// The id of one engine among those that share a store, for as long as it holds its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// The id whose 16 bytes these are, in the order of RFC 9562.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id, in the order of RFC 9562.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|error| {
            Error::invalid_request(format!("'{text}' is not a run id; a run id is a UUID")).with_source(error)
        })
    }
}
