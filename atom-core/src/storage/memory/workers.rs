//! Engines that share what is kept in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{MemoryStore, Run, Tables};
use crate::storage::{
    Claim, Delivery, Letter, LetterId, RunRecord, WorkerInfo, WorkerRecord, WorkerState, WorkerStore,
    lease_lost,
};
use crate::{ErrorReport, Result, RunId, Scope, WorkerId};

type RunKey = (Scope, RunId);

/// Where a store stands among those that share its tables.
#[derive(Debug)]
pub(super) struct Seat {
    identity: watch::Sender<WorkerId>,
}

impl Seat {
    pub(super) fn id(&self) -> WorkerId {
        *self.identity.borrow()
    }
}

/// The workers that were ever there, in their order.
#[derive(Debug, Default)]
pub(super) struct Workers {
    known: BTreeMap<WorkerId, (WorkerInfo, WorkerState)>,
}

impl Workers {
    fn join(&mut self) -> WorkerId {
        let id = WorkerId::from_bytes((self.known.len() as u128 + 1).to_be_bytes());
        self.known
            .insert(id, (WorkerInfo::default(), WorkerState::Active));
        id
    }

    fn is_there(&self, worker: WorkerId) -> bool {
        let known = self.known.get(&worker);
        known.is_some_and(|(_, state)| *state != WorkerState::Gone)
    }

    pub(super) fn check(&self, worker: WorkerId) -> Result<()> {
        if self.is_there(worker) {
            Ok(())
        } else {
            Err(lease_lost())
        }
    }
}

/// What is asked of runs, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Letters {
    last: LetterId,
    known: BTreeMap<LetterId, Posted>,
}

#[derive(Debug)]
struct Posted {
    letter: Letter,
    wants_answer: bool,
    taken_by: Option<WorkerId>,
    answer: Option<std::result::Result<(), ErrorReport>>,
}

impl Letters {
    fn post(&mut self, (scope, run): &RunKey, event: Option<String>, wants_answer: bool) -> LetterId {
        self.last += 1;
        let letter = Letter {
            id: self.last,
            scope: scope.clone(),
            run: *run,
            event,
        };
        let posted = Posted {
            letter,
            wants_answer,
            taken_by: None,
            answer: None,
        };
        self.known.insert(self.last, posted);
        self.last
    }

    pub(super) fn answer(&mut self, id: LetterId, answer: std::result::Result<(), ErrorReport>) {
        let Some(posted) = self.known.get_mut(&id) else {
            return;
        };
        if posted.wants_answer {
            posted.answer.get_or_insert(answer);
        } else {
            self.known.remove(&id);
        }
    }
}

impl Tables {
    /// Leaves a letter for the worker of a run of which something was decided, unless it is this one.
    pub(super) fn tell_holder(&mut self, worker: Option<WorkerId>, key: &RunKey) {
        let holder = self.runs.get(key).and_then(|run| run.record.worker);
        if holder.is_some() && holder != worker {
            self.letters.post(key, None, false);
        }
    }

    fn is_free(&self, run: &Run) -> bool {
        let is_held = run
            .record
            .worker
            .is_some_and(|worker| self.workers.is_there(worker));
        !run.record.status.has_ended() && !is_held
    }
}

impl MemoryStore {
    /// A store of the same data for one more engine, which shares it with the others.
    #[must_use]
    pub fn join(&self) -> Self {
        let id = self.write(|tables| tables.workers.join());
        Self {
            shared: Arc::clone(&self.shared),
            seat: Some(Seat {
                identity: watch::Sender::new(id),
            }),
        }
    }

    /// Lets the lease of this store's engine run out, as that of an engine does which stands still for too long.
    pub fn lose_lease(&self) {
        if let Some(seat) = &self.seat {
            let id = seat.id();
            self.write(|tables| {
                if let Some((_, state)) = tables.workers.known.get_mut(&id) {
                    *state = WorkerState::Gone;
                }
            });
            self.tell();
        }
    }

    /// Gives the engine of this store, whose lease was lost, a new one.
    pub fn rejoin(&self) {
        if let Some(seat) = &self.seat {
            let id = self.write(|tables| tables.workers.join());
            seat.identity.send_replace(id);
            self.tell();
        }
    }

    pub(super) fn tell(&self) {
        self.shared.news.send_modify(|news| *news += 1);
    }

    fn seat(&self) -> WorkerId {
        self.seat
            .as_ref()
            .map_or_else(|| WorkerId::from_bytes([0; 16]), Seat::id)
    }
}

#[async_trait]
impl WorkerStore for MemoryStore {
    fn identity(&self) -> watch::Receiver<WorkerId> {
        let alone = || watch::Sender::new(self.seat()).subscribe();
        self.seat
            .as_ref()
            .map_or_else(alone, |seat| seat.identity.subscribe())
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.shared.news.subscribe()
    }

    async fn introduce(&self, info: &WorkerInfo) -> Result<()> {
        let me = self.seat();
        self.write_held(|tables, _| {
            let state = if info.is_draining {
                WorkerState::Draining
            } else {
                WorkerState::Active
            };
            tables.workers.known.insert(me, (info.clone(), state));
            Ok(())
        })
    }

    async fn list(&self) -> Result<Vec<WorkerRecord>> {
        Ok(self.query(|tables| {
            let runs = |id| {
                let runs = tables.runs.values().map(|run| &run.record);
                runs.filter(|run| run.worker == Some(id) && !run.status.has_ended())
                    .count() as u64
            };
            let known = tables.workers.known.iter();
            let records = known.map(|(id, (info, state))| WorkerRecord {
                id: *id,
                info: info.clone(),
                state: *state,
                started_at: Timestamp::UNIX_EPOCH,
                renewed_at: Timestamp::UNIX_EPOCH,
                lease_until: Timestamp::MAX,
                runs: runs(*id),
            });
            records
                .filter(|worker| worker.state != WorkerState::Gone || worker.runs > 0)
                .collect()
        }))
    }

    async fn claim(&self, wanted: &Claim) -> Result<Vec<RunRecord>> {
        let Claim {
            limit,
            refused,
            passed_over,
        } = wanted;
        let me = self.seat();
        self.write_held(|tables, _| {
            let free = tables.runs.values().filter(|run| tables.is_free(run));
            let wanted = free.filter(|run| {
                !refused.contains(&run.record.workflow.hash)
                    && !passed_over.contains(&run.record.principal.tenant)
            });
            let rank = |run: &RunRecord| {
                run.admission
                    .as_ref()
                    .map_or(0, |admission| admission.limits.rank())
            };
            let mut wanted: Vec<_> = wanted
                .map(|run| {
                    (
                        (rank(&run.record), run.record.cursor()),
                        run.record.principal.scope(),
                    )
                })
                .collect();
            wanted.sort();
            // The first of every tenant come before the second of any.
            let mut turns: BTreeMap<String, usize> = BTreeMap::new();
            let mut in_turn: Vec<_> = wanted
                .into_iter()
                .map(|(place, scope)| {
                    let turn = turns.entry(scope.tenant.clone()).or_default();
                    *turn += 1;
                    (*turn, place, scope)
                })
                .collect();
            in_turn.sort();
            let taken = in_turn.into_iter().take(*limit);
            Ok(taken
                .filter_map(|(_, (_, (_, id)), scope)| {
                    let run = tables.runs.get_mut(&(scope, id))?;
                    run.record.worker = Some(me);
                    Some(run.record.listed())
                })
                .collect())
        })
    }

    async fn claim_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        let me = self.seat();
        let key = (scope.clone(), run);
        self.write_held(|tables, _| {
            let is_free = tables.runs.get(&key).is_some_and(|run| tables.is_free(run));
            let Some(run) = tables.runs.get_mut(&key) else {
                return Ok(false);
            };
            if is_free {
                run.record.worker = Some(me);
            }
            Ok(run.record.worker == Some(me))
        })
    }

    async fn held(&self, after: Option<&RunKey>, limit: usize) -> Result<Vec<RunKey>> {
        let me = self.seat();
        Ok(self.query(|tables| {
            let runs = tables.runs.iter();
            let held = runs.filter(|(key, run)| {
                run.record.worker == Some(me)
                    && !run.record.status.has_ended()
                    && after.is_none_or(|after| *key > after)
            });
            held.map(|(key, _)| key.clone()).take(limit).collect()
        }))
    }

    async fn release(&self, runs: &[RunKey]) -> Result<()> {
        let released = self.write_held(|tables, me| {
            for key in runs {
                if let Some(run) = tables.runs.get_mut(key).filter(|run| run.record.worker == me) {
                    run.record.worker = None;
                }
            }
            Ok(())
        });
        self.tell();
        released
    }

    async fn leave(&self) -> Result<()> {
        self.lose_lease();
        Ok(())
    }

    async fn post(&self, scope: &Scope, run: RunId, event: &str, wants_answer: bool) -> Result<LetterId> {
        let key = (scope.clone(), run);
        let id =
            self.write_held(|tables, _| Ok(tables.letters.post(&key, Some(event.to_owned()), wants_answer)))?;
        self.tell();
        Ok(id)
    }

    async fn letters(&self, limit: usize) -> Result<Vec<Letter>> {
        let me = self.seat();
        self.write_held(|tables, _| {
            let Tables { letters, runs, .. } = tables;
            let mine = letters.known.values_mut().filter(|posted| {
                let run = runs.get(&(posted.letter.scope.clone(), posted.letter.run));
                posted.answer.is_none()
                    && posted.taken_by != Some(me)
                    && run.is_some_and(|run| run.record.worker == Some(me))
            });
            Ok(mine
                .take(limit)
                .map(|posted| {
                    posted.taken_by = Some(me);
                    posted.letter.clone()
                })
                .collect())
        })
    }

    async fn answer(&self, letter: LetterId, answer: std::result::Result<(), ErrorReport>) -> Result<()> {
        self.write_held(|tables, _| {
            tables.letters.answer(letter, answer);
            Ok(())
        })?;
        self.tell();
        Ok(())
    }

    async fn delivery(&self, letter: LetterId) -> Result<Delivery> {
        self.write_held(|tables, _| {
            let Some(posted) = tables.letters.known.get_mut(&letter) else {
                return Ok(Delivery::Unknown);
            };
            let delivery = match posted.answer.take() {
                Some(answer) => Delivery::Answered(answer),
                None if posted
                    .taken_by
                    .is_some_and(|worker| tables.workers.is_there(worker)) =>
                {
                    Delivery::Taken
                }
                None => Delivery::Waiting,
            };
            if matches!(delivery, Delivery::Answered(_)) {
                tables.letters.known.remove(&letter);
            }
            Ok(delivery)
        })
    }

    async fn withdraw(&self, letter: LetterId) -> Result<bool> {
        self.write_held(|tables, _| {
            let Tables { letters, workers, .. } = tables;
            let is_waiting = letters.known.get(&letter).is_some_and(|posted| {
                posted.answer.is_none() && !posted.taken_by.is_some_and(|worker| workers.is_there(worker))
            });
            Ok(is_waiting && letters.known.remove(&letter).is_some())
        })
    }
}
