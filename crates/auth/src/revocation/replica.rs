//! This process's copy of what is revoked.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Mono, Time};

use super::{judge::judge, table::Table};
use crate::{
    Revocation, RevocationState, VerifiedToken,
    session::{FamilyStore, SessionId},
    token::AskedStore,
};

/// The revocations in the memory of this process: the epochs of subjects, sessions and single
/// tokens. A [`TokenVerifier`](crate::TokenVerifier) asks it about every token, cached or not. Clones
/// share it.
///
/// [`SessionStore::revocations`](crate::session::SessionStore::revocations) returns the one of a
/// store.
///
/// # Semantics
/// 1. A token is revoked if its `jti` or its `sid` is, or if its `epoch` is smaller than the one of
///    its subject.
/// 2. A token without an `epoch`, which no session minted, is revoked once all sessions of its
///    subject are.
/// 3. A subject has an epoch of its own from the time at which all its sessions are revoked until
///    the last token with it has expired. All other subjects have the *origin* of the store: the
///    time at which it began, empty. A token with a smaller epoch than the origin is revoked, since
///    its session is gone; one with a larger epoch, of a subject whose own is not known, is *not
///    known*.
/// 4. A revoked token is refused, however old the copy is. Any other token is *not
///    known* while the copy is stale, and the verifier's
///    [`RevocationPolicy`](crate::RevocationPolicy) decides.
/// 5. Entries are only added, and their numbers only become larger. An entry leaves when the tokens
///    that it concerns have expired.
///
/// # Sharing
/// One per store and process. The copy of a store in memory is never stale. A session that ended
/// here is refused here from then on; other processes learn of it from their store.
///
/// # Bounds
/// [`CAPACITY`](Self::CAPACITY) entries of each kind. Beyond it the entries go first that expire
/// first: the subject of a dropped epoch becomes *not known*, and after a dropped session or token
/// every token is *not known* until that entry would have expired.
#[derive(Clone)]
pub struct Revocations {
    inner: Arc<Inner>,
}

struct Inner {
    sessions: Table,
    subjects: Table,
    tokens: Table,
    /// 0 while it is not known.
    origin: AtomicU64,
    /// Whose tokens are judged.
    issuer: OnceLock<Box<str>>,
    /// Until when tokens are not known because an entry was dropped, in seconds since 1970.
    incomplete_until: AtomicU64,
    /// When entries were last swept, in seconds since 1970.
    swept: AtomicU64,
    /// When the store was last known to have nothing newer, in nanoseconds; 0 if never.
    as_of: AtomicU64,
    /// How old the copy of a remote store may be.
    max_age: Option<Duration>,
    store: OnceLock<Weak<dyn FamilyStore>>,
    time: Time,
}

/// Something is revoked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Revoked<'a> {
    /// A session and its access tokens.
    Session {
        /// The session.
        id: SessionId,
        /// When its last access token has expired, in seconds since 1970.
        until: u64,
    },
    /// All tokens of a subject with a smaller epoch.
    Subject {
        /// The subject.
        subject: &'a str,
        /// The subject's epoch.
        epoch: u64,
        /// When the last token with that epoch has expired, in seconds since 1970.
        until: u64,
    },
    /// One token.
    Token {
        /// Its `jti`.
        id: &'a str,
        /// When it expires, in seconds since 1970.
        until: u64,
    },
}

debug_only!(Revoked<'_> {});

impl Revocations {
    /// The most entries of each kind: a million, which take 64 MB. At a million log-outs a day and
    /// access tokens that live for 15 minutes, ten thousand are kept.
    pub const CAPACITY: usize = 1_000_000;

    /// The copy of a store in this process, which is never stale.
    pub(crate) fn local(time: Time) -> Self {
        Self::with(time, None)
    }

    /// An empty copy of a remote store, which is stale until [`synced`](Self::synced) is called, and
    /// again when it was last called more than `most` ago.
    ///
    /// [`FamilyStore`] implementations create it. 5 s are the usual bound.
    #[must_use]
    pub fn remote(time: impl Into<Time>, most: Duration) -> Self {
        Self::with(time.into(), Some(most))
    }

    fn with(time: Time, max_age: Option<Duration>) -> Self {
        let inner = Inner {
            sessions: Table::new(Self::CAPACITY),
            subjects: Table::new(Self::CAPACITY),
            tokens: Table::new(Self::CAPACITY),
            origin: AtomicU64::new(0),
            issuer: OnceLock::new(),
            incomplete_until: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            as_of: AtomicU64::new(0),
            max_age,
            store: OnceLock::new(),
            time,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Judges only the tokens of this issuer; tokens of others are not revoked. Default: the issuer
    /// of the [`SessionIssuer`](crate::session::SessionIssuer) in this process, or all. A verifier
    /// of several issuers needs it, since a subject is the same only with its issuer.
    #[must_use]
    pub fn for_issuer(self, issuer: impl Into<Box<str>>) -> Self {
        // The first setter wins, as with all slots.
        let _already_set = self.inner.issuer.set(issuer.into());
        self
    }

    /// Records that something is revoked.
    pub fn record(&self, revoked: &Revoked<'_>) {
        let inner = &*self.inner;
        let now = inner.time.unix().as_secs();
        let dropped = match *revoked {
            Revoked::Session { id, until } => inner.sessions.raise(&id.to_string(), 1, until, now),
            Revoked::Token { id, until } => inner.tokens.raise(id, 1, until, now),
            Revoked::Subject { subject, epoch, until } => {
                // A dropped epoch is not known, which needs no note.
                inner.subjects.raise(subject, epoch, until, now);
                None
            }
        };
        if let Some(until) = dropped {
            inner.incomplete_until.fetch_max(until, Ordering::Relaxed);
        }
        let swept = inner.swept.load(Ordering::Relaxed);
        if now.abs_diff(swept) >= SWEEP
            && inner
                .swept
                .compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            inner.tables().iter().for_each(|table| table.sweep(now));
        }
    }

    /// Records the origin of the store: the first epoch of every subject. It never becomes smaller.
    pub fn began(&self, origin: u64) {
        self.inner.origin.fetch_max(origin, Ordering::Release);
    }

    /// Records that at `at` the store had nothing that is not recorded here. The time is the one at
    /// which the store was asked, not the one of its answer.
    pub fn synced(&self, at: Mono) {
        self.inner.as_of.fetch_max(at.as_nanos(), Ordering::Release);
    }

    /// Whether the copy is older than its bound. That of a store in memory never is.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.inner.max_age.is_some_and(|most| {
            let as_of = self.inner.as_of.load(Ordering::Acquire);
            let age = self.inner.time.now().saturating_since(Mono::from_nanos(as_of));
            as_of == 0 || age > most
        })
    }

    /// How many entries are kept: sessions, subjects and single tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.tables().iter().map(|table| table.len()).sum()
    }

    /// Whether no entry is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The epoch of a subject, if it has one of its own.
    pub(crate) fn epoch(&self, subject: &str) -> Option<u64> {
        self.inner.subjects.get(subject)
    }

    /// Asks this store, where the policy is to ask.
    pub(crate) fn ask_with(&self, store: &Arc<dyn FamilyStore>) {
        let _already_set = self.inner.store.set(Arc::downgrade(store));
    }

    fn is_ours(&self, token: &VerifiedToken) -> bool {
        self.inner.issuer.get().is_none_or(|issuer| **issuer == *token.issuer())
    }
}

impl Inner {
    fn tables(&self) -> [&Table; 3] {
        [&self.sessions, &self.subjects, &self.tokens]
    }
}

debug_only!(Inner { issuer, incomplete_until });
debug_only!(Revocations { inner });

impl Revocation for Revocations {
    fn state(&self, token: &VerifiedToken) -> RevocationState {
        if !self.is_ours(token) {
            return RevocationState::Live;
        }
        let inner = &*self.inner;
        let is_in =
            |table: &Table, name: Option<&str>| name.is_some_and(|name| table.get(name).is_some());
        if is_in(&inner.sessions, token.session_id()) || is_in(&inner.tokens, token.token_id()) {
            return RevocationState::Revoked;
        }
        let origin = Some(inner.origin.load(Ordering::Acquire)).filter(|origin| *origin != 0);
        match judge(token.epoch(), inner.subjects.get(token.subject()), origin) {
            RevocationState::Live => {}
            state => return state,
        }
        let incomplete_until = inner.incomplete_until.load(Ordering::Relaxed);
        let is_incomplete =
            incomplete_until != 0 && inner.time.unix() < Duration::from_secs(incomplete_until);
        if is_incomplete || self.is_stale() {
            return RevocationState::Unknown;
        }
        RevocationState::Live
    }

    fn ask(&self, token: &VerifiedToken) -> Option<AskedStore> {
        let store = self.inner.store.get()?.upgrade()?;
        let asked = store.ask(token);
        Some(Box::pin(async move { asked.await.unwrap_or(RevocationState::Unknown) }))
    }
}

/// How often expired entries are searched for, in seconds, when one is recorded.
const SWEEP: u64 = 60;
