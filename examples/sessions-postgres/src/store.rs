//! The store, and its setup.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_auth::{
    RevocationState, Revocations, Revoked, VerifiedToken,
    session::{
        BoxFuture, FamilyStore, Opened, Opening, Presentation, Presented, Revoke, Session,
        SessionStore, StoreError, Which,
    },
};
use hardpoint_core::Time;
use sqlx::{
    PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgRow},
    query::Query,
};
use tokio::{
    runtime::{Handle, TryCurrentError},
    sync::Semaphore,
};

use crate::{
    call::{Calls, failed, lease},
    command::{self, Token},
    follow::{self, Following},
    row::{column, int, millis, number, optional, session, session_columns},
    sweep,
};

/// Sessions in PostgreSQL. Set up by [`builder`](Self::builder).
pub struct PostgresSessions {
    pub(crate) pool: PgPool,
    pub(crate) revocations: Revocations,
    pub(crate) calls: Calls,
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSessions").field("revocations", &self.revocations).finish()
    }
}

/// Sets up [`PostgresSessions`].
///
/// Defaults: a deadline of 1 s, 5 s of staleness, the addresses of the pool, the system's time.
#[must_use]
pub struct PostgresSessionsBuilder {
    pool: PgPool,
    listen_on: Option<PgConnectOptions>,
    deadline: Duration,
    max_staleness: Duration,
    time: Time,
}

// The addresses may contain a password.
impl fmt::Debug for PostgresSessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSessionsBuilder")
            .field("deadline", &self.deadline)
            .field("max_staleness", &self.max_staleness)
            .finish()
    }
}

impl PostgresSessionsBuilder {
    /// How long a command may take, the wait for a connection included. Default: 1 s, which a fsync
    /// of a busy disk needs now and then. A command that is late fails with `Timeout`; the server may
    /// still carry it out, and the client's retry gets the same successor within the grace.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How old this process's copy of the revocations may be. Default: 5 s. The server is asked five
    /// times in this time. See `Revocations` for the consequences of a stale copy.
    pub fn max_staleness(mut self, most: Duration) -> Self {
        self.max_staleness = most;
        self
    }

    /// Listens for revocations on this server. Default: the one of the pool. Needed if the pool
    /// connects to a pooler in transaction mode, where `LISTEN` has no effect.
    pub fn listen_on(mut self, server: PgConnectOptions) -> Self {
        self.listen_on = Some(server);
        self
    }

    /// Reads the age of the copy from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// The store. Two tasks work for it until its last handle is dropped: one follows the
    /// revocations, on a connection of its own beside the pool, and one removes what has expired. The
    /// server need not be reachable yet.
    ///
    /// # Errors
    /// [`TryCurrentError`] outside of a tokio runtime.
    pub fn start(self) -> Result<SessionStore, TryCurrentError> {
        let runtime = Handle::try_current()?;
        let options = self.listen_on.unwrap_or_else(|| (*self.pool.connect_options()).clone());
        let store = Arc::new(PostgresSessions {
            pool: self.pool,
            revocations: Revocations::remote(self.time.clone(), self.max_staleness),
            calls: Calls {
                runtime: runtime.clone(),
                deadline: self.deadline,
                room: Arc::new(Semaphore::new(Calls::MOST)),
            },
        });
        let following = Following {
            options,
            time: self.time,
            deadline: self.deadline,
            patience: (self.max_staleness / 5).max(Duration::from_millis(1)),
        };
        runtime.spawn(follow::follow(Arc::downgrade(&store), following));
        runtime.spawn(sweep::sweep(Arc::downgrade(&store)));
        Ok(SessionStore::remote(store))
    }
}

impl PostgresSessions {
    /// A store in the database of this pool, in which [`create_schema`](crate::create_schema) or
    /// `schema.sql` has made the tables.
    pub fn builder(pool: PgPool) -> PostgresSessionsBuilder {
        PostgresSessionsBuilder {
            pool,
            listen_on: None,
            deadline: Duration::from_secs(1),
            max_staleness: Duration::from_secs(5),
            time: Time::system(),
        }
    }

    /// Runs a statement that returns one row, and reads it.
    fn one<T: Send + 'static>(
        &self,
        query: Query<'static, Postgres, PgArguments>,
        read: impl FnOnce(&PgRow) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<T> {
        let pool = self.pool.clone();
        self.calls.submit(async move {
            let mut connection = lease(&pool).await.map_err(failed)?;
            let row = query.fetch_one(&mut *connection).await.map_err(failed)?;
            connection.give_back();
            read(&row)
        })
    }
}

impl FamilyStore for PostgresSessions {
    fn open(&self, opening: &Opening<'_>) -> BoxFuture<Opened> {
        let query = sqlx::query(
            "SELECT * FROM session_open($1, $2, $3, $4, $5, $6::cidr, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(opening.session.to_string())
        .bind(opening.subject)
        .bind(opening.scope)
        .bind(opening.method)
        .bind(opening.client.agent())
        .bind(opening.client.network())
        .bind(opening.proof.as_slice())
        .bind(i64::from(opening.key_id))
        .bind(millis(opening.rotation.idle))
        .bind(millis(opening.absolute))
        .bind(millis(opening.access))
        .bind(i64::from(opening.max_sessions.get()))
        .bind(opening.replaces.map(|session| session.to_string()));
        let (copy, subject) = (self.revocations.clone(), opening.subject.to_owned());
        self.one(query, move |row| command::opened(row, &subject, &copy))
    }

    fn present(&self, presentation: &Presentation<'_>) -> BoxFuture<Presented> {
        let token = Token {
            session: presentation.session,
            generation: presentation.generation,
            proof: presentation.proof,
            key_id: presentation.key_id,
            client: presentation.client.kept(),
            rotation: presentation.rotation,
            access: presentation.access,
        };
        let (pool, copy) = (self.pool.clone(), self.revocations.clone());
        self.calls.submit(async move { command::present(&pool, token, &copy).await })
    }

    fn list(&self, subject: &str) -> BoxFuture<Vec<Session>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            session_columns!(),
            " FROM session_family f JOIN session_store o ON f.epoch >= o.origin \
             WHERE f.subject = $1 \
             AND least(f.idle_deadline, f.absolute_deadline) > session_now() \
             ORDER BY f.created DESC, f.id DESC"
        ))
        .bind(subject);
        let pool = self.pool.clone();
        self.calls.submit(async move {
            let mut connection = lease(&pool).await.map_err(failed)?;
            let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
            connection.give_back();
            rows.iter().map(session).collect()
        })
    }

    fn revoke(&self, revoke: &Revoke<'_>) -> BoxFuture<u32> {
        let (which, session) = match revoke.which {
            Which::All => ("all", String::new()),
            Which::AllBut(session) => ("others", session.to_string()),
            Which::One(session) => ("one", session.to_string()),
        };
        let query = sqlx::query("SELECT * FROM session_revoke($1, $2, $3, $4, $5)")
            .bind(revoke.subject)
            .bind(which)
            .bind(session)
            .bind(millis(revoke.access))
            .bind(millis(revoke.absolute));
        let (copy, subject) = (self.revocations.clone(), revoke.subject.to_owned());
        self.one(query, move |row| command::revoked(row, &subject, &copy))
    }

    fn revoke_token(&self, id: &str, until: u64) -> BoxFuture<()> {
        let query = sqlx::query("SELECT session_record('token', $1, 0, $2) AS until")
            .bind(id)
            .bind(int(until.saturating_mul(1000)));
        let (copy, id) = (self.revocations.clone(), id.to_owned());
        self.one(query, move |row| {
            copy.record(&Revoked::Token { id: &id, until: number(row, "until")? });
            Ok(())
        })
    }

    fn ask(&self, token: &VerifiedToken) -> BoxFuture<RevocationState> {
        let query = sqlx::query(
            "SELECT o.origin, s.epoch, EXISTS (SELECT FROM session_revocation \
             WHERE (kind = 'session' AND name = $2) OR (kind = 'token' AND name = $3)) AS listed \
             FROM session_store o LEFT JOIN session_subject s ON s.subject = $1",
        )
        .bind(token.subject())
        .bind(token.session_id())
        .bind(token.token_id());
        let epoch = token.epoch();
        self.one(query, move |row| {
            if column(row, "listed")? {
                return Ok(RevocationState::Revoked);
            }
            let least = optional(row, "epoch")?;
            Ok(RevocationState::by_epoch(epoch, least, number(row, "origin")?))
        })
    }

    fn revocations(&self) -> &Revocations {
        &self.revocations
    }
}
