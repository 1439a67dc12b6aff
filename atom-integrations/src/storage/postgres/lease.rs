//! The lease of an engine, and what it hears of the others.
//!
//! One task, with a connection of its own so that nothing keeps it waiting, renews the lease and listens. When it finds that
//! the lease is lost it takes a new one, under a new id: the runs of the old one are others' then.

use std::sync::Arc;
use std::time::Duration;

use atom_core::{CancellationToken, Offset, WorkerId};
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use sqlx::{Acquire, AssertSqlSafe, Executor, Row};
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::PostgresConfig;
use super::database::within;
use super::error::is_lost;
use super::rows::{Decoded, unsigned};
use super::values::{uuid_of_worker, worker_id};
use super::writer::publish;

/// How often is looked for what no notification told of.
const INTERVAL: Duration = Duration::from_secs(1);

/// From how many pages of runs on the database finds by itself in time that they grow.
const LARGE: i64 = 256;

/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Takes a lease under a new id. The worker that this engine was before is gone.
pub(super) async fn join(
    connection: &mut PgConnection,
    lease: Duration,
    before: Option<WorkerId>,
) -> Decoded<WorkerId> {
    // It is gone already when its lease was lost to others.
    if let Some(before) = before {
        let leave = sqlx::query("SELECT bury($1)").bind(uuid_of_worker(before));
        leave.execute(&mut *connection).await?;
    }
    let join = "INSERT INTO workers (lease_until) VALUES (clock_timestamp() + $1 * interval '1 millisecond') RETURNING id";
    let row = sqlx::query(join)
        .bind(milliseconds(lease))
        .fetch_one(connection)
        .await?;
    row.try_get(0).map(worker_id)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Keeps the lease.
pub(super) struct Keeper {
    config: PostgresConfig,
    identity: watch::Sender<WorkerId>,
    news: watch::Sender<u64>,
    head: Arc<watch::Sender<Offset>>,
    /// When the lease was last known to be held.
    renewed_at: Instant,
    /// How many pages the runs took when the database was last asked to look at them; nothing once it is left to look by itself.
    pages_seen: Option<i64>,
}

impl Keeper {
    /// Also gives what tells which worker the engine is, and when there are news.
    pub(super) fn new(
        config: &PostgresConfig,
        worker: WorkerId,
        head: Arc<watch::Sender<Offset>>,
    ) -> (Self, watch::Receiver<WorkerId>, watch::Receiver<u64>) {
        let (identity, is_worker) = watch::channel(worker);
        let (news, hears) = watch::channel(0);
        let keeper = Self {
            config: config.clone(),
            identity,
            news,
            head,
            renewed_at: Instant::now(),
            pages_seen: Some(0),
        };
        (keeper, is_worker, hears)
    }

    /// Keeps the lease until `closing` is cancelled.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let keep = async {
            let mut is_known = false;
            loop {
                match self.keep().await {
                    Ok(()) => is_known = false,
                    // Told once, however long it lasts.
                    Err(_) if is_known => {}
                    Err(error) => {
                        is_known = true;
                        tracing::warn!(%error, "the lease on the database cannot be renewed for now");
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = keep => {}
        }
    }

    /// Connects, and keeps the lease until the connection is lost.
    async fn keep(&mut self) -> Decoded<()> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.patience())
            // It looks whether there is anything, whoever it belongs to.
            .connect_lazy_with(self.config.connection().options([("atom.all_tenants", "on")]));
        let mut listener = within(self.patience(), PgListener::connect_with(&pool)).await?;
        // A listener that connects anew by itself would not know for how long it was deaf.
        listener.eager_reconnect(false);
        let channel = "SELECT 'atom_' || md5(current_schema())";
        let channel: String = within(self.patience(), async {
            sqlx::query(channel).fetch_one(&mut listener).await?.try_get(0)
        })
        .await?;
        within(self.patience(), listener.listen(&channel)).await?;
        self.renew(&mut listener).await?;
        // Whatever happened before there was anybody to listen.
        self.look(&mut listener).await?;
        self.tell();
        let mut looks_at = Instant::now() + INTERVAL;
        loop {
            tokio::select! {
                notification = listener.try_recv() => match notification? {
                    Some(notification) if notification.payload() == "events" => {
                        // Those that wait as well are about the same.
                        while listener.next_buffered().is_some_and(|next| {
                            if next.payload() != "events" {
                                self.tell();
                            }
                            true
                        }) {}
                        self.look(&mut listener).await?;
                    }
                    Some(_) => self.tell(),
                    None => return Ok(()),
                },
                () = tokio::time::sleep_until(looks_at) => {
                    self.look(&mut listener).await?;
                    self.look_at_tables(&mut listener).await?;
                    looks_at = Instant::now() + INTERVAL.min(self.config.lease / 6);
                }
            }
            if self.renewed_at.elapsed() >= self.config.lease / 3 {
                self.renew(&mut listener).await?;
            }
        }
    }

    /// How long the database may say nothing: less than it takes for the lease to run out.
    fn patience(&self) -> Duration {
        self.config.lease / 3
    }

    fn tell(&self) {
        self.news.send_modify(|news| *news += 1);
    }

    /// Looks how far the log of events reaches.
    async fn look(&mut self, listener: &mut PgListener) -> Decoded<()> {
        let head = within(self.patience(), async {
            let query = sqlx::query("SELECT head FROM event_log");
            unsigned(query.fetch_one(&mut *listener).await?.try_get(0)?)
        });
        publish(&self.head, head.await?);
        Ok(())
    }

    /// Has the database look at tables whenever they are four times as large as when it last did, until they are of some size. By
    /// itself it does so after a minute at the earliest. Until then it takes any index that begins with the owner for as good as
    /// the key, and reads all runs for each of a group that end together, as is right for a few; and statements that were
    /// planned so stay so.
    async fn look_at_tables(&mut self, listener: &mut PgListener) -> Decoded<()> {
        let Some(seen) = self.pages_seen else {
            return Ok(());
        };
        let size = "SELECT pages, pages > 4 * greatest(relpages, $1) FROM pg_class, \
             LATERAL (SELECT pg_relation_size(oid) / current_setting('block_size')::bigint) AS size (pages) \
             WHERE oid = 'runs'::regclass";
        let (pages, has_grown): (i64, bool) = within(self.patience(), async {
            let row = sqlx::query(size).bind(seen).fetch_one(&mut *listener).await?;
            Decoded::Ok((row.try_get(0)?, row.try_get(1)?))
        })
        .await?;
        if has_grown {
            // The lease must not wait for it: what takes long, or is locked, is left to the database.
            let timeout = format!("SET statement_timeout = {}", milliseconds(self.config.lease / 6));
            let analyze = "ANALYZE (SKIP_LOCKED) runs, journal, workflows, documents, events, approvals";
            within(self.patience(), async {
                listener.execute(AssertSqlSafe(timeout)).await?;
                if let Err(error) = listener.execute(analyze).await {
                    if is_lost(&error) {
                        return Err(error);
                    }
                    tracing::debug!(%error, "the database looks at the tables later, by itself");
                }
                listener.execute("RESET statement_timeout").await
            })
            .await?;
            self.pages_seen = Some(pages);
        }
        if pages > LARGE {
            self.pages_seen = None;
        }
        Ok(())
    }

    async fn renew(&mut self, listener: &mut PgListener) -> Decoded<()> {
        let lease = self.config.lease;
        let worker = *self.identity.borrow();
        let begun_at = Instant::now();
        let is_held = within(self.patience(), async {
            // A lease that has run out is lost, even if nobody has taken anything yet: writes were refused meanwhile.
            let query = "UPDATE workers SET renewed_at = clock_timestamp(), \
                 lease_until = clock_timestamp() + $2 * interval '1 millisecond' \
                 WHERE id = $1 AND NOT is_gone AND lease_until > clock_timestamp()";
            let query = sqlx::query(query)
                .bind(uuid_of_worker(worker))
                .bind(milliseconds(lease));
            Decoded::Ok(query.execute(&mut *listener).await?.rows_affected() == 1)
        })
        .await?;
        if !is_held {
            let rejoined = within(self.patience(), async {
                let connection = listener.acquire().await?;
                join(connection, lease, Some(worker)).await
            });
            let worker = rejoined.await?;
            tracing::warn!("the lease on the database was lost; this engine goes on as another worker");
            self.identity.send_replace(worker);
            self.tell();
        }
        self.renewed_at = begun_at;
        Ok(())
    }
}
