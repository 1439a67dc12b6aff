//! Who may begin: the rule that goes through a queue, whatever database it stands in.

use std::collections::HashSet;

use async_trait::async_trait;
use atom_core::RunId;
use atom_core::storage::{
    Admitted, ConcurrencyLimit, Lane, LaneKey, MAX_ADMITTED, RunLimits, Traffic, Verdict,
};

use super::rows::Decoded;

/// How many queued runs are read at a time.
pub(super) const PAGE: i64 = 64;

/// A queued run.
pub(super) struct Queued {
    pub(super) limits: RunLimits,
    pub(super) place: Place,
}

/// The place of a run in a queue: its rank, when it was created, and its id.
pub(super) type Place = (i64, i64, RunId);

/// The place before the first of a queue.
pub(super) fn front() -> Place {
    (i64::MIN, i64::MIN, RunId::from_bytes([0; 16]))
}

/// What a look at a lane reads and changes, within one transaction.
#[async_trait]
pub(super) trait Look: Send {
    /// Up to [`PAGE`] runs of the lane's queue, in its order, after a place.
    async fn queue(&mut self, after: Place) -> Decoded<Vec<Queued>>;

    /// What there is to know about a queued run.
    async fn traffic(&mut self, queued: &Queued) -> Decoded<Traffic>;

    /// Lets a run begin now.
    async fn begin(&mut self, run: RunId) -> Decoded<()>;

    /// Has a queued run cancelled.
    async fn refuse(&mut self, run: RunId) -> Decoded<()>;

    /// Has so many of the oldest runs that are under way cancelled; gives those.
    async fn supersede(&mut self, limit: &ConcurrencyLimit, count: u32) -> Decoded<Vec<RunId>>;
}

/// Looks at the queue of a lane.
pub(super) async fn admit(look: &mut impl Look, lane: &Lane) -> Decoded<Admitted> {
    let mut admitted = Admitted::default();
    // Those behind a run that waits for one of these wait as well.
    let mut blocked: HashSet<LaneKey> = HashSet::new();
    let mut after = front();
    'queue: loop {
        let page = look.queue(after).await?;
        let Some(last) = page.last() else { break };
        after = last.place;
        for queued in page {
            if admitted.changed.len() >= MAX_ADMITTED {
                admitted.has_more = true;
                break 'queue;
            }
            if queued.limits.lane_keys().any(|key| blocked.contains(&key)) {
                continue;
            }
            match queued.limits.judge(look.traffic(&queued).await?) {
                Verdict::Begin => {
                    look.begin(queued.place.2).await?;
                    admitted.changed.push(queued.place.2);
                }
                Verdict::Refuse => {
                    look.refuse(queued.place.2).await?;
                    admitted.changed.push(queued.place.2);
                }
                Verdict::Wait {
                    for_place,
                    until,
                    supersede,
                } => {
                    if let (true, Some(limit)) = (for_place, &queued.limits.concurrency) {
                        admitted.changed.extend(look.supersede(limit, supersede).await?);
                        blocked.insert(LaneKey::Concurrency(limit.key.clone()));
                    }
                    if let (Some(until), Some(limit)) = (until, queued.limits.rate_limit) {
                        let key = LaneKey::Rate(limit.key);
                        admitted.later.push((lane.beside(key.clone()), until));
                        blocked.insert(key);
                    }
                    // Everybody else in the queue is behind it.
                    if blocked.contains(&lane.key) {
                        break 'queue;
                    }
                }
            }
        }
    }
    Ok(admitted)
}
