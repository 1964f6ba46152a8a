//! One call of the database: a connection, a deadline, an error.

use std::{
    error::Error,
    fmt,
    ops::{Deref, DerefMut},
    time::Duration,
};

use hardpoint_auth::session::{BoxFuture, StoreError};
use hardpoint_core::event::StoreErrorKind;
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// A connection that is closed when it is dropped, unless it was given back.
///
/// A pool tests a connection that is dropped in the middle of a command, without a time limit: if
/// the server no longer answers, the pool loses the connection for good.
pub(crate) struct Lease(Option<PoolConnection<Postgres>>);

pub(crate) async fn lease(pool: &PgPool) -> Result<Lease, sqlx::Error> {
    Ok(Lease(Some(pool.acquire().await?)))
}

impl Lease {
    /// Returns the connection to the pool.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        let Some(connection) = &self.0 else { unreachable!("only the drop takes it") };
        connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        let Some(connection) = &mut self.0 else { unreachable!("only the drop takes it") };
        connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Frees its place in the pool, and closes the socket.
            drop(connection.detach());
        }
    }
}

/// Runs calls, each in a task of its own and within a deadline.
pub(crate) struct Calls {
    pub(crate) runtime: Handle,
    pub(crate) deadline: Duration,
    /// Room for further calls.
    pub(crate) room: std::sync::Arc<Semaphore>,
}

impl Calls {
    /// How many calls may wait or run at once.
    pub(crate) const MOST: usize = 1024;

    /// Starts `work`. The future only carries its answer.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> BoxFuture<T> {
        let Ok(room) = std::sync::Arc::clone(&self.room).try_acquire_owned() else {
            let error = StoreError::new(StoreErrorKind::Unavailable)
                .with_source("too many calls wait for the database");
            return Box::pin(std::future::ready(Err(error)));
        };
        let deadline = self.deadline;
        let task = self.runtime.spawn(async move {
            let _room = room;
            timeout(deadline, work).await.unwrap_or_else(|_| Err(late()))
        });
        Box::pin(async move {
            // A task fails if it panics or its runtime ends.
            let unavailable =
                |error| StoreError::new(StoreErrorKind::Unavailable).with_source(error);
            task.await.unwrap_or_else(|error| Err(unavailable(error)))
        })
    }
}

const fn late() -> StoreError {
    StoreError::new(StoreErrorKind::Timeout)
}

/// The database returned a value that the schema does not allow.
pub(crate) const fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt)
}

/// The meaning of a failed call.
pub(crate) fn failed(error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::PoolTimedOut => StoreErrorKind::Timeout,
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. } => StoreErrorKind::Corrupt,
        sqlx::Error::Database(_) => return refused(&error),
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind).with_source(error)
}

/// The server's text may contain a row, and so a subject: only the code is kept.
fn refused(error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.unwrap_or_default();
    let kind = match code.get(..2) {
        _ if code == QUERY_CANCELED || code == LOCK_NOT_AVAILABLE => StoreErrorKind::Timeout,
        // Data, syntax and missing tables: no later attempt succeeds.
        Some("22" | "23" | "42" | "P0") => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind).with_source(SqlState(code.into()))
}

/// What `statement_timeout` and `lock_timeout` end.
const QUERY_CANCELED: &str = "57014";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The server refused, with this SQLSTATE.
#[derive(Debug)]
struct SqlState(Box<str>);

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused with SQLSTATE {}", self.0)
    }
}

impl Error for SqlState {}
