//! The handle to a link.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::event::LinkState;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    Arg, Concept, ConfigError, Error, ErrorKind, Keys, RedisBuilder, Reply, Script, Tail, WhenFull,
    endpoint::Endpoint,
    link::{self, Job, Settings, Shared},
};

/// A link to one Redis or Valkey server: one connection, shared by all clones of this handle.
///
/// See the [crate docs](crate) for what it guarantees. Defaults: deadline 25 ms, connect timeout
/// 500 ms, queue 1,024 commands, prefix `hardpoint`, name `redis`.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
}

impl Redis {
    /// Starts to build a link to the server at `url`:
    /// `redis://[user:password@]host[:port][/database]`, `rediss://..` for TLS (feature `tls`), or
    /// `unix:///path?db=0&user=..&pass=..`. `valkey` and `valkeys` are accepted as schemes too.
    pub fn builder(url: impl AsRef<str>) -> RedisBuilder {
        RedisBuilder::from_url(url.as_ref())
    }

    /// Starts to build a link to the server of a client of the crate `redis`, version 1. Use it for
    /// settings that a URL cannot express, such as a client certificate.
    ///
    /// No other function has a type of that crate in its signature. A new major version of `redis`
    /// changes this one, and hardpoint does not count that as a breaking change.
    pub fn from_client(client: &redis::Client) -> RedisBuilder {
        RedisBuilder::from_client(client)
    }

    pub(crate) fn start(endpoint: Endpoint, settings: Settings) -> Result<Self, ConfigError> {
        let shared = Arc::new(Shared::new(endpoint, settings));
        let queue = link::start(&shared)?;
        Ok(Self { inner: Arc::new(Inner { shared, queue }) })
    }

    /// Submits a call of `script`, and returns the future of its answer.
    ///
    /// The call is submitted when this function returns. It fails as [`Rejected`] if the script
    /// raises an error.
    ///
    /// [`Rejected`]: crate::ErrorKind::Rejected
    pub fn run<'a, K, A>(
        &self,
        script: &Script,
        keys: impl IntoIterator<Item = K, IntoIter: ExactSizeIterator>,
        args: impl IntoIterator<Item = A>,
    ) -> Reply
    where
        K: Into<Arg<'a>>,
        A: Into<Arg<'a>>,
    {
        if let Some(refused) = self.refusal() {
            return refused;
        }
        let keys = keys.into_iter();
        let mut command = redis::Cmd::with_capacity(keys.len() + 8, 64 * (keys.len() + 2));
        command.arg("EVALSHA").arg(script.sha1()).arg(keys.len());
        keys.for_each(|key| key.into().write_to(&mut command));
        args.into_iter().for_each(|arg| arg.into().write_to(&mut command));
        self.submit(command, Some(script.text()))
    }

    /// Submits a command, and returns the future of its answer. The command is submitted when this
    /// function returns.
    ///
    /// All handles share the connection, so do not send commands that block, subscribe or change the
    /// connection (`BLPOP`, `SUBSCRIBE`, `SELECT`, `MULTI`, `CLIENT REPLY`). Use a script in place of
    /// `MULTI`, and a [`tail`](Self::tail) to wait for entries of a stream.
    pub fn send<'a, A>(&self, name: &str, args: impl IntoIterator<Item = A>) -> Reply
    where
        A: Into<Arg<'a>>,
    {
        if let Some(refused) = self.refusal() {
            return refused;
        }
        let mut command = redis::cmd(name);
        args.into_iter().for_each(|arg| arg.into().write_to(&mut command));
        self.submit(command, None)
    }

    /// Follows a stream on a connection of its own, from its first entry or from the one after
    /// [`starting_after`](Tail::starting_after).
    #[must_use]
    pub fn tail(&self, stream: impl Into<String>) -> Tail {
        Tail::new(Arc::clone(&self.inner.shared), stream.into())
    }

    /// Returns the writer of the keys of `concept`, under this link's prefix, and registers the concept
    /// for the warning about [eviction](Self::when_full).
    #[must_use]
    pub fn keys(&self, concept: &Concept) -> Keys {
        self.inner.shared.add_concept(concept);
        Keys::new(&self.inner.shared.settings.prefix, concept)
    }

    /// Returns how the server treats the keys of `concept` when its memory is full. `None` before the
    /// first connection, and if the server denies `INFO` to the user.
    #[must_use]
    pub fn when_full(&self, concept: &Concept) -> Option<WhenFull> {
        self.inner.shared.when_full(concept)
    }

    /// Returns whether the server is a node of a cluster, which refuses commands whose keys are in
    /// different slots. `None` before the first connection, and of a server before Redis 6.
    ///
    /// The link knows one node. Keys with one tag are in one slot.
    #[must_use]
    #[inline]
    pub fn is_cluster(&self) -> Option<bool> {
        self.inner.shared.is_cluster()
    }

    /// Returns how long a command may take, from its submission to its answer: a caller that lets
    /// commands wait bounds their wait by it.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.inner.shared.settings.deadline
    }

    /// The state of the link.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.inner.shared.state()
    }

    /// Waits until the link is up, however long that takes. A service that must not start without its
    /// server awaits this within a timeout.
    pub async fn up(&self) {
        let mut changes = self.inner.shared.changes();
        // An error would mean that the sender is gone, which `self` holds.
        let _state = changes.wait_for(|state| *state == LinkState::Up).await;
    }

    /// Asks the server whether it serves: a health check, which fails at once while the link is
    /// down.
    ///
    /// ```no_run
    /// # use hardpoint_redis::Redis;
    /// # let redis = Redis::builder("redis://127.0.0.1").build()?;
    /// let check = move || {
    ///     let redis = redis.clone();
    ///     async move { Ok::<(), hardpoint_redis::Error>(redis.check().await?) }
    /// };
    /// // hardpoint_health::Check::new("redis", check)
    /// # let _ = check;
    /// # Ok::<(), hardpoint_redis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// An [`Error`] if the link is down or the server does not answer the `PING` in time.
    pub async fn check(&self) -> Result<(), Error> {
        self.send("PING", NONE).await.map(|_| ())
    }

    /// The reply to a command while the link is down. It is made before the command is encoded.
    fn refusal(&self) -> Option<Reply> {
        if self.state() != LinkState::Down {
            return None;
        }
        let error = self.inner.shared.refusal();
        self.inner.shared.answered(Err(&error), Duration::ZERO);
        Some(Reply::failed(error, Instant::now()))
    }

    fn submit(&self, command: redis::Cmd, script: Option<&'static str>) -> Reply {
        let Inner { shared, queue } = &*self.inner;
        let (sender, answer) = oneshot::channel();
        let job = Job::new(command, script, shared, sender);
        let deadline = job.submitted + shared.settings.deadline;
        let (job, kind) = match queue.try_send(job) {
            Ok(()) => return Reply::waiting(answer, deadline),
            Err(mpsc::error::TrySendError::Full(job)) => (job, ErrorKind::Overloaded),
            // The link's runtime has ended.
            Err(mpsc::error::TrySendError::Closed(job)) => (job, ErrorKind::Unavailable),
        };
        let error = Error::new(kind);
        job.answer(Err(error.clone()));
        Reply::failed(error, deadline)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &format_args!("{}", self.inner.shared.endpoint))
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

const NONE: [&str; 0] = [];
