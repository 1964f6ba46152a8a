//! A check of a connection pool of `sqlx`, for any of its databases.
//!
//! ```no_run
//! use hardpoint_health::{Check, Checks};
//! use std::time::Duration;
//!
//! # fn example<DB: sqlx::Database>(pool: sqlx::Pool<DB>) -> Result<(), hardpoint_health::ConfigError> {
//! let postgres = hardpoint_health::sqlx::pool(pool, Duration::from_millis(500));
//! let checks = Checks::builder().add_check(Check::new("postgres", postgres)).build()?;
//! # drop(checks);
//! # Ok(())
//! # }
//! ```

use std::{error::Error, fmt, time::Duration};

use ::sqlx::{Connection as _, Database, Pool};
use tokio::time::timeout;

use crate::{Down, builtin::RunFuture};

/// Takes a connection of `pool` and asks the server for an answer. Both together may take
/// `patience`: choose what a request would wait, and less than the check's
/// [`timeout`](crate::Check::timeout).
///
/// It fails with the codes `exhausted` (every connection was in use for that long), `timeout` (the
/// server did not answer, or opened no connection), `closed` (by the application) and `failed`. The
/// cause in the log contains how many connections there are, how many of them are idle, and how many
/// there may be.
///
/// The check competes with requests for a connection. It closes one whose server did not answer: sqlx
/// by itself would wait for that answer without limit, and the pool would have one connection less.
///
/// # Example
/// See the [module docs](self).
pub fn pool<DB: Database>(
    pool: Pool<DB>,
    patience: Duration,
) -> impl FnMut() -> RunFuture + Send + 'static {
    move || {
        let pool = pool.clone();
        Box::pin(async move {
            let mut taken = None;
            let asked = timeout(patience, async {
                let connection = taken.insert(pool.acquire().await?);
                connection.ping().await
            });
            let result = asked.await;
            let statistics = Statistics::read(&pool);
            if matches!(result, Ok(Ok(()))) {
                return Ok(());
            }
            // Every connection is in use, and none is the check's own.
            let is_exhausted = taken.is_none() && statistics.is_full();
            if let Some(connection) = taken {
                // Its place in the pool is free at once; the drop closes the socket.
                drop(connection.detach());
            }
            Err(match result {
                Ok(Err(::sqlx::Error::PoolClosed)) => Down::new("closed"),
                Err(_) | Ok(Err(::sqlx::Error::PoolTimedOut)) => {
                    let code = if is_exhausted { "exhausted" } else { "timeout" };
                    Down::new(code).caused_by(Failure { statistics, source: None })
                }
                Ok(result) => {
                    Down::new("failed").caused_by(Failure { statistics, source: result.err() })
                }
            })
        })
    }
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
struct Statistics {
    size: u32,
    idle: usize,
    most: u32,
}

impl Statistics {
    fn read<DB: Database>(pool: &Pool<DB>) -> Self {
        let most = pool.options().get_max_connections();
        Self { size: pool.size(), idle: pool.num_idle(), most }
    }

    const fn is_full(self) -> bool {
        self.size >= self.most && self.idle == 0
    }
}

/// Why a run failed, and the connections at that time.
#[derive(Debug)]
struct Failure {
    statistics: Statistics,
    source: Option<::sqlx::Error>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { size, idle, most } = self.statistics;
        write!(f, "no answer from the database; {size} of {most} connections exist, {idle} idle")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}
