//! Who may begin.

use std::cmp::Reverse;
use std::collections::HashSet;

use jiff::Timestamp;

use super::{Run, Tables};
use crate::storage::{
    Admission, AdmissionState, Admitted, ConcurrencyLimit, Lane, LaneKey, MAX_ADMITTED, OnLimit, RateLimit,
    RunRecord, RunStatus, Traffic, Verdict,
};
use crate::{RunId, Scope};

type RunKey = (Scope, RunId);

impl Tables {
    pub(super) fn admit(&mut self, lane: &Lane, now: Timestamp) -> Admitted {
        let mut admitted = Admitted::default();
        // Those behind a run that waits for one of these wait as well.
        let mut blocked: HashSet<LaneKey> = HashSet::new();
        for key in self.queue(lane) {
            if admitted.changed.len() >= MAX_ADMITTED {
                admitted.has_more = true;
                break;
            }
            let Some((record, admission)) = self.limited(&key) else {
                continue;
            };
            let limits = admission.limits.clone();
            if limits.lane_keys().any(|key| blocked.contains(&key)) {
                continue;
            }
            match limits.judge(self.traffic(lane, record, admission, now)) {
                Verdict::Begin => {
                    self.set_state(&key, AdmissionState::Begun, Some(now));
                    admitted.changed.push(key.1);
                }
                Verdict::Refuse => {
                    self.set_state(&key, AdmissionState::Refused, None);
                    admitted.changed.push(key.1);
                }
                Verdict::Wait {
                    for_place,
                    until,
                    supersede,
                } => {
                    if let (true, Some(limit)) = (for_place, &limits.concurrency) {
                        let oldest = self.oldest(lane, limit, supersede);
                        for run in oldest {
                            self.set_state(&(lane.scope.clone(), run), AdmissionState::Superseded, None);
                            admitted.changed.push(run);
                        }
                        blocked.insert(LaneKey::Concurrency(limit.key.clone()));
                    }
                    if let (Some(until), Some(limit)) = (until, limits.rate_limit) {
                        let key = LaneKey::Rate(limit.key);
                        admitted.later.push((lane.beside(key.clone()), until));
                        blocked.insert(key);
                    }
                }
            }
        }
        admitted
    }

    fn limited(&self, key: &RunKey) -> Option<(&RunRecord, &Admission)> {
        let record = &self.runs.get(key)?.record;
        Some((record, record.admission.as_ref()?))
    }

    /// The runs of a workflow that have limits.
    fn limited_of<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = (&'a RunRecord, &'a Admission)> {
        self.runs_of(&lane.scope)
            .filter(|run| run.workflow.namespace == lane.namespace && run.workflow.name == lane.name)
            .filter_map(|run| Some((run, run.admission.as_ref()?)))
    }

    /// The runs of a lane that wait for their turn.
    fn queue(&self, lane: &Lane) -> Vec<RunKey> {
        let is_queued = |(run, admission): &(&RunRecord, &Admission)| {
            run.status == RunStatus::Queued
                && admission.state == AdmissionState::Queued
                && match &lane.key {
                    LaneKey::Concurrency(key) => has_key(admission.limits.concurrency.as_ref(), key),
                    LaneKey::Rate(key) => {
                        let rate = admission.limits.rate_limit.as_ref();
                        rate.is_some_and(|limit| limit.key == *key)
                    }
                }
        };
        let mut queue: Vec<_> = self.limited_of(lane).filter(is_queued).collect();
        queue.sort_by_key(|(run, admission)| (admission.limits.rank(), run.cursor()));
        queue
            .into_iter()
            .map(|(run, _)| (lane.scope.clone(), run.id))
            .collect()
    }

    fn traffic(&self, lane: &Lane, run: &RunRecord, admission: &Admission, now: Timestamp) -> Traffic {
        let mut traffic = Traffic::default();
        let of_workflow = || self.limited_of(lane);
        if let Some(limit) = &admission.limits.concurrency {
            let of_lane = of_workflow()
                .filter(|(_, other)| has_key(other.limits.concurrency.as_ref(), &limit.key))
                .filter(|(run, _)| !run.status.has_ended());
            for (other, its) in of_lane {
                let concurrency = its.limits.concurrency.as_ref();
                let cancels = concurrency.is_some_and(|limit| limit.on_limit == OnLimit::CancelOldest);
                traffic.under_way += u32::from(!its.is_waiting());
                traffic.superseded += u32::from(its.state == AdmissionState::Superseded);
                traffic.newer += u32::from(
                    cancels
                        && its.state == AdmissionState::Queued
                        && other.status == RunStatus::Queued
                        && other.cursor() > run.cursor(),
                );
            }
        }
        if let Some(limit) = &admission.limits.rate_limit {
            let begun = of_workflow()
                .filter(|(_, other)| {
                    let rate = other.limits.rate_limit.as_ref();
                    rate.is_some_and(|rate| rate.key == limit.key)
                })
                .filter_map(|(_, other)| other.begun_at);
            traffic.free_at = free_at(limit, begun.collect(), now);
        }
        traffic
    }

    /// The oldest runs under way that are not to be cancelled yet.
    fn oldest(&self, lane: &Lane, limit: &ConcurrencyLimit, count: u32) -> Vec<RunId> {
        let mut begun: Vec<_> = self
            .limited_of(lane)
            .filter(|(run, its)| {
                !run.status.has_ended()
                    && its.state == AdmissionState::Begun
                    && has_key(its.limits.concurrency.as_ref(), &limit.key)
            })
            .map(|(run, its)| (its.begun_at, run.id))
            .collect();
        begun.sort_unstable();
        let oldest = begun.into_iter().take(count as usize);
        oldest.map(|(_, run)| run).collect()
    }

    fn set_state(&mut self, key: &RunKey, state: AdmissionState, begun_at: Option<Timestamp>) {
        let Some(Run { record, .. }) = self.runs.get_mut(key) else {
            return;
        };
        if let Some(admission) = &mut record.admission {
            admission.state = state;
            admission.begun_at = admission.begun_at.or(begun_at);
        }
        if state == AdmissionState::Begun {
            record.status = RunStatus::Running;
        }
    }
}

fn has_key(limit: Option<&ConcurrencyLimit>, key: &str) -> bool {
    limit.is_some_and(|limit| limit.key == key)
}

/// When the rate lets another run begin, unless it does so now.
fn free_at(limit: &RateLimit, mut begun: Vec<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    begun.sort_unstable_by_key(|at| Reverse(*at));
    let earliest = begun.get(limit.limit as usize - 1)?;
    Some(limit.after(*earliest)).filter(|free_at| *free_at > now)
}
