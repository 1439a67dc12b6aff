//! Removes containers some time after they have ended. When is written on the containers themselves, so that those of
//! an engine that has ended are removed by the next one that runs containers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atom_core::{CancellationToken, ErrorCode, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::api::Docker;
use super::describe::STAY_LABEL;
use super::lifecycle::{remove, text};
use crate::process::supervisor::Supervisor;

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How long to wait before another try when the container engine does not answer.
const RETRY_PAUSE: Duration = Duration::from_mins(1);

/// Removes containers when their time has come.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    is_looking: AtomicBool,
    changed: Notify,
}

impl Sweeper {
    /// Begins to look after containers, unless it has begun already.
    pub(super) fn look_after(self: &Arc<Self>, supervisor: &Supervisor, docker: &Arc<Docker>) {
        if self.is_looking.swap(true, Ordering::SeqCst) {
            return;
        }
        let (sweeper, docker) = (Arc::clone(self), Arc::clone(docker));
        supervisor.spawn(|stopped| async move { sweeper.sweep_until(stopped, &docker).await });
    }

    /// Looks again: a container has ended.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    async fn sweep_until(&self, stopped: CancellationToken, docker: &Docker) {
        let work = async {
            loop {
                let pause = sweep(docker).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "containers whose time has come could not be found");
                    RETRY_PAUSE
                });
                // Nothing is lost when it ends early.
                let _ = tokio::time::timeout(pause, self.changed.notified()).await;
            }
        };
        tokio::select! {
            () = stopped.cancelled() => {}
            () = work => {}
        }
    }
}

/// Removes what is to be removed by now, and says when the next one is. One that cannot be removed is tried again, and
/// keeps none of the others.
async fn sweep(docker: &Docker) -> Result<Duration> {
    let filters = json!({ "label": [STAY_LABEL], "status": ["exited", "dead"] }).to_string();
    let query = [("all", "true"), ("filters", filters.as_str())];
    let ended = docker.get(&["containers", "json"], &query).await?;
    let mut pause = LONGEST_PAUSE;
    let mut failures = Vec::new();
    for container in ended.as_array().into_iter().flatten() {
        match remove_if_due(docker, container).await {
            Ok(left) => pause = pause.min(left.unwrap_or(LONGEST_PAUSE)),
            Err(error) => failures.push(error),
        }
    }
    if let Some(error) = failures.first() {
        tracing::warn!(%error, count = failures.len(), "containers whose time has come could not be removed");
        pause = pause.min(RETRY_PAUSE);
    }
    Ok(pause)
}

/// Removes a container if its time has come, and otherwise says how long it stays; none for one without such a time,
/// and for one that is gone.
async fn remove_if_due(docker: &Docker, container: &Value) -> Result<Option<Duration>> {
    let id = text(container, "/Id")?;
    let stay = container
        .pointer("/Labels")
        .and_then(|labels| labels.get(STAY_LABEL));
    let stay = stay.and_then(Value::as_str).and_then(|stay| stay.parse().ok());
    let Some(stay) = stay.map(SignedDuration::from_millis) else {
        return Ok(None);
    };
    let details = match docker.get(&["containers", id.as_str(), "json"], &[]).await {
        // Somebody else has removed it.
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        details => details?,
    };
    let Ok(finished) = text(&details, "/State/FinishedAt")?.parse::<Timestamp>() else {
        return Ok(None);
    };
    let due = finished.saturating_add(stay).unwrap_or(Timestamp::MAX);
    match Duration::try_from(due.duration_since(Timestamp::now())) {
        Ok(left) if !left.is_zero() => Ok(Some(left)),
        _ => remove(docker, &id).await.map(|()| None),
    }
}
