//! What a store is asked, and what it answers.

use std::{num::NonZeroU32, time::Duration};

use crate::session::{Reuse, Rotation, Session, SessionClient, SessionId, Transition};

/// A session to be opened.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The new session.
    pub session: SessionId,
    /// Who logged in.
    pub subject: &'a str,
    /// The granted scopes, separated by spaces.
    pub scope: &'a str,
    /// How the subject logged in.
    pub method: &'a str,
    /// The client.
    pub client: &'a SessionClient,
    /// The digest of the proof that the session's tokens contain.
    pub proof: [u8; 16],
    /// The key that authenticates the first token.
    pub key_id: u32,
    /// How the session is rotated.
    pub rotation: Rotation,
    /// How long the session lives in any case.
    pub absolute: Duration,
    /// How many sessions the subject may have.
    pub max_sessions: NonZeroU32,
    /// A session of the same subject that ends in the same step.
    pub replaces: Option<SessionId>,
    /// How long access tokens are accepted after a session has ended, unless they are revoked.
    pub access: Duration,
}

debug_only!(Opening<'_> { key_id, rotation, absolute, max_sessions, access });

impl Opening<'_> {
    /// The session, if it is opened at `at`, in milliseconds since 1970.
    pub(crate) fn session(&self, at: u64) -> Session {
        let created = Duration::from_millis(at);
        Session {
            id: self.session,
            subject: self.subject.into(),
            scope: self.scope.into(),
            method: self.method.into(),
            created,
            last_used: created,
            expires: created.saturating_add(self.rotation.idle.min(self.absolute)),
            client: self.client.kept(),
        }
    }
}

/// A session is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The subject's epoch.
    pub epoch: u64,
    /// When it was opened, in milliseconds since 1970 by the clock of the store.
    pub at: u64,
}

/// An authentic token that is presented.
#[derive(Clone, Copy)]
pub struct Presentation<'a> {
    /// The session.
    pub session: SessionId,
    /// The generation of the token.
    pub generation: u64,
    /// The digest of the token's proof.
    pub proof: [u8; 16],
    /// The key that authenticates the successor.
    pub key_id: u32,
    /// The client.
    pub client: &'a SessionClient,
    /// How the session is rotated.
    pub rotation: Rotation,
    /// How long access tokens are accepted after a session has ended, unless they are revoked.
    pub access: Duration,
}

debug_only!(Presentation<'_> { generation, key_id, rotation, access });

/// The answer to a [`Presentation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The client gets the successor.
    Accepted(Accepted),
    /// The token was used before. The session has ended, and its access tokens are revoked.
    Reused(Box<Reuse>),
    /// The token is newer than the store: the store lost a rotation. Nothing changed.
    RolledBack,
    /// The store has no such session, or no longer.
    Unknown,
}

/// A token was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// [`Rotated`](Transition::Rotated), [`Replayed`](Transition::Replayed) or
    /// [`Forgiven`](Transition::Forgiven).
    pub transition: Transition,
    /// The session.
    pub session: Session,
    /// The generation of the successor.
    pub generation: u64,
    /// The key that authenticates the successor.
    pub key_id: u32,
    /// The subject's epoch.
    pub epoch: u64,
}

/// Which sessions of a subject end.
#[derive(Clone, Copy)]
pub struct Revoke<'a> {
    /// The subject.
    pub subject: &'a str,
    /// Which.
    pub which: Which,
    /// How long access tokens are accepted after a session has ended, unless they are revoked.
    pub access: Duration,
    /// How long a session of the subject may live: how long the subject's epoch must be kept.
    pub absolute: Duration,
}

debug_only!(Revoke<'_> { which, access, absolute });

/// Which sessions of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All, and all access tokens of the subject: the epoch becomes larger.
    All,
    /// All but this one.
    AllBut(SessionId),
    /// This one.
    One(SessionId),
}
