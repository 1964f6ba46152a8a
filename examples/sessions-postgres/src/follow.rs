//! The task that keeps this process's copy of the revocations up to date.

use std::{error::Error, sync::Weak, time::Duration};

use hardpoint_auth::{
    Revocations, Revoked,
    session::{FamilyStore, StoreError},
};
use hardpoint_core::{Time, event::StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow};
use tokio::time::timeout;

use crate::{
    call::{corrupt, failed},
    row::{column, id, int, number, optional},
    store::PostgresSessions,
};

/// How to follow.
pub(crate) struct Following {
    pub(crate) options: PgConnectOptions,
    pub(crate) time: Time,
    /// How long the server may take to answer.
    pub(crate) deadline: Duration,
    /// How long to wait for a notification before the server is asked without one.
    pub(crate) patience: Duration,
}

/// Where the copy is: it contains the revocations of this store up to this number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    origin: u64,
    number: u64,
}

/// Follows the revocations until the store is dropped. The store is borrowed only between waits, so
/// that the task does not keep it alive.
pub(crate) async fn follow(store: Weak<PostgresSessions>, following: Following) {
    let (mut pause, mut is_failing) = (FIRST_PAUSE, false);
    while store.strong_count() > 0 {
        let error = match connect(&following).await {
            Ok(listener) => {
                let ended = listen(&store, &following, listener, || {
                    (pause, is_failing) = (FIRST_PAUSE, false);
                });
                match ended.await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if !is_failing {
            tracing::warn!(
                target: "sessions_postgres::revocation",
                error = &error as &dyn Error,
                "the revocations of other instances cannot be followed"
            );
        }
        is_failing = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// A connection of its own: its wait must not take one from the requests.
async fn connect(following: &Following) -> Result<PgListener, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(following.options.clone());
    let connecting = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        // After a lost connection, read everything again.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    timeout(following.deadline, connecting).await.map_err(|_| late())?.map_err(failed)
}

/// Reads all revocations and then what is new, until the connection is lost or the store dropped.
async fn listen(
    store: &Weak<PostgresSessions>,
    following: &Following,
    mut listener: PgListener,
    mut works: impl FnMut(),
) -> Result<(), StoreError> {
    let mut position = Position::default();
    loop {
        let Some(copy) = store.upgrade().map(|store| store.revocations().clone()) else {
            return Ok(());
        };
        // The copy is as old as the question, not as the answer.
        let asked = following.time.now();
        let rows = sqlx::query(NEWS).bind(int(position.number)).bind(PAGE).fetch_all(&mut listener);
        let rows = timeout(following.deadline, rows).await.map_err(|_| late())?.map_err(failed)?;
        let last = rows.last().ok_or_else(corrupt)?;
        let store_at = Position { origin: number(last, "origin")?, number: number(last, "last")? };
        if position != Position::default()
            && (store_at.origin != position.origin || store_at.number < position.number)
        {
            // Another store, or an earlier state of this one.
            position = Position::default();
            continue;
        }
        rows.iter().try_for_each(|row| record(&copy, row))?;
        copy.began(store_at.origin);
        if i64::try_from(rows.len()).is_ok_and(|length| length >= PAGE) {
            position = Position { number: number(last, "number")?, ..store_at };
            continue;
        }
        copy.synced(asked);
        position = store_at;
        works();
        drop(copy);
        wait(&mut listener, following.patience).await?;
    }
}

/// Waits for a notification, but no longer than `patience`.
async fn wait(listener: &mut PgListener, patience: Duration) -> Result<(), StoreError> {
    let lost =
        || StoreError::new(StoreErrorKind::Unavailable).with_source("the connection was lost");
    match timeout(patience, listener.try_recv()).await {
        Err(_) => return Ok(()),
        Ok(news) => news.map_err(failed)?.ok_or_else(lost)?,
    };
    // One question answers them all.
    while listener.next_buffered().is_some() {}
    Ok(())
}

/// Adds a revocation to the copy. A row without one is the answer that nothing is new.
fn record(copy: &Revocations, row: &PgRow) -> Result<(), StoreError> {
    let Some(kind) = column::<Option<&str>>(row, "kind")? else { return Ok(()) };
    let (name, until) = (column(row, "name")?, number(row, "until")?);
    match kind {
        "session" => copy.record(&Revoked::Session { id: id(name)?, until }),
        "subject" => {
            let epoch = optional(row, "epoch")?.ok_or_else(corrupt)?;
            copy.record(&Revoked::Subject { subject: name, epoch, until });
        }
        "token" => copy.record(&Revoked::Token { id: name, until }),
        _ => return Err(corrupt()),
    }
    Ok(())
}

const fn late() -> StoreError {
    StoreError::new(StoreErrorKind::Timeout)
}

/// One statement, and so one moment: all revocations with numbers above $1 that exist when the store
/// is at `last`, the first $2 of them.
const NEWS: &str = "SELECT o.origin, o.number AS last, r.number, r.kind, r.name, r.epoch, r.until \
    FROM session_store o LEFT JOIN LATERAL (SELECT * FROM session_revocation \
    WHERE number > $1 ORDER BY number LIMIT $2) r ON true ORDER BY r.number";
const CHANNEL: &str = "session_revocation";
const PAGE: i64 = 1000;
/// The pauses after failures.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
