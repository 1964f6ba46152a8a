//! Tokens that are dead before their time.

use super::Verified;

/// Tells whether a token was revoked. It is asked about every token that is otherwise valid, cached or
/// not.
///
/// It is called in the middle of a request: it answers from memory, in nanoseconds, and neither blocks
/// nor asks elsewhere. Key it by subject, session (`sid`) or token id (`jti`), never by the text of the
/// token: from one ECDSA signature anybody makes a second one that is valid too.
///
/// ```
/// use hardpoint_auth::{Revocation, RevocationState, Verified};
/// use std::{collections::HashSet, sync::RwLock};
///
/// #[derive(Default)]
/// struct EndedSessions(RwLock<HashSet<String>>);
///
/// impl Revocation for EndedSessions {
///     fn state(&self, token: &Verified) -> RevocationState {
///         let Ok(ended) = self.0.read() else { return RevocationState::Unknown };
///         match token.session_id() {
///             Some(session) if ended.contains(session) => RevocationState::Revoked,
///             _ => RevocationState::Live,
///         }
///     }
/// }
/// # let _ = EndedSessions::default();
/// ```
pub trait Revocation: Send + Sync + 'static {
    /// Whether `token` was revoked.
    fn state(&self, token: &Verified) -> RevocationState;
}

/// What is known of a token's revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationState {
    /// It was not revoked.
    Live,
    /// It was revoked: 401.
    Revoked,
    /// What is known is too old to tell: 503, since nothing is wrong with the token.
    Unknown,
}
