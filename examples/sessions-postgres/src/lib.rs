//! Sessions in PostgreSQL, for services that keep them in SQL: a
//! [`FamilyStore`](hardpoint_auth::session::FamilyStore) on sqlx.
//!
//! ```no_run
//! use hardpoint_auth::session::SessionStore;
//! use sessions_postgres::{PostgresSessions, create_schema};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = sqlx::PgPool::connect("postgres://localhost/service").await?;
//! create_schema(&pool).await?; // or run schema.sql with the tool of your migrations
//! let store: SessionStore = PostgresSessions::builder(pool).start()?;
//! # let _ = store;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Each command is one statement, which is one transaction, by the clock of the server. A
//!    presented token takes two: the first reads the family, the pure
//!    [`FamilyState::present`](hardpoint_auth::session::FamilyState::present) decides, and the second
//!    writes only if the family is still in the state that was read; otherwise it is read again. A
//!    retry within the grace writes nothing. So no lock is held while this process is asked, and one
//!    that stops in between blocks no other.
//! 2. A command runs in a task of its own: dropping its future does not cancel it. It answers within
//!    the [`deadline`](PostgresSessionsBuilder::deadline). A connection whose command failed or came
//!    too late is closed, not reused.
//! 3. The table of revocations is a log as well: every change of a row gets the next number, and they
//!    become visible in the order of their numbers. An instance asks for the numbers above the last
//!    that it has read, when `NOTIFY` wakes it, and five times in
//!    [`max_staleness`](PostgresSessionsBuilder::max_staleness) in any case. A lost notification
//!    delays a revocation, and loses none. No gap has to be detected, since an entry stays until the
//!    tokens that it concerns have expired.
//! 4. After a lost connection, and if the numbers or the origin of the store went back, an instance
//!    reads all revocations again. It only adds what it reads.
//! 5. Each instance removes expired rows, at most 1,000 of a table in one statement.
//!
//! # Deployment caveats
//! - `LISTEN` needs a connection that lasts: behind a pooler in transaction mode, pass the address of
//!   the server itself to [`listen_on`](PostgresSessionsBuilder::listen_on).
//! - The transactions must have the isolation level `READ COMMITTED`, PostgreSQL's default.
//! - Set `statement_timeout`, as `main.rs` does: it ends commands whose caller has given up.
//! - A restored backup lacks the latest rotations and revocations. Run `UPDATE session_store SET
//!   origin = session_now()`: all earlier sessions end, with their access tokens.
//! - The subject is stored as it is, since `list` finds sessions by it, and so are the user agent and
//!   the network of each session. They are as personal as the accounts in the same database.
//! - A text with a NUL character, such as a subject, cannot be stored in PostgreSQL: the command
//!   fails.

mod call;
mod command;
mod follow;
mod row;
mod store;
mod sweep;

pub use self::store::{PostgresSessions, PostgresSessionsBuilder};

/// The tables and functions of the store: `schema.sql`.
pub const SCHEMA: &str = include_str!("../schema.sql");

/// Creates the tables and functions of the store where they are missing. Instances that start at once
/// wait for each other. One that starts while others work may lock what they lock in another order; the
/// server then ends one of the two, and this function tries again, up to five times.
///
/// # Errors
/// [`sqlx::Error`] if the server cannot be reached, or refuses.
pub async fn create_schema(pool: &sqlx::PgPool) -> Result<(), sqlx::Error> {
    let mut attempt = 1;
    loop {
        let mut connection = call::lease(pool).await?;
        match sqlx::raw_sql(SCHEMA).execute(&mut *connection).await {
            Ok(_) => {
                connection.give_back();
                return Ok(());
            }
            Err(error) if attempt < 5 && is_deadlock(&error) => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// `deadlock_detected` of PostgreSQL.
fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "40P01")
}
