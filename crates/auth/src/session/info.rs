//! What is known about a session.

use std::{sync::Arc, time::Duration};

use super::{SessionClient, SessionId};

/// The facts about a session, for a list of sessions and for the code that decides its grant.
///
/// All times are since 1970, by the clock of the store. `Debug` hides all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id: the `sid` of its access tokens.
    pub id: SessionId,
    /// Who logged in.
    pub subject: Arc<str>,
    /// The scopes that it was granted at log-in: the most that it may ever have. Empty if none.
    pub scope: Arc<str>,
    /// How the subject logged in, such as `password`.
    pub method: Arc<str>,
    /// When the subject logged in.
    pub created: Duration,
    /// When its refresh token was last rotated.
    pub last_used: Duration,
    /// When it ends unless it is used.
    pub expires: Duration,
    /// The client that used it last.
    pub client: SessionClient,
}

debug_only!(Session {});

/// A refresh token was presented that had been used before: both its owner and another client have
/// it. The session has ended.
///
/// `Debug` shows only the numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Reuse {
    /// The session as it was, with the client that last rotated its token.
    pub session: Session,
    /// The client that presented the used token. Either of the two may be the thief.
    pub presenter: SessionClient,
    /// The generation of the presented token.
    pub presented: u64,
    /// The generation that was current.
    pub current: u64,
    /// How long ago the session's token was last rotated.
    pub since_rotation: Duration,
}

debug_only!(Reuse { presented, current, since_rotation });
