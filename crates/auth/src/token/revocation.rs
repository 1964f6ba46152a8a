//! Tokens that are revoked before they expire.

use std::{pin::Pin, sync::Arc};

use super::VerifiedToken;

/// Knows which tokens were revoked. A verifier asks it about every token that is otherwise valid,
/// cached or not.
///
/// Identify tokens by subject, session (`sid`) or token id (`jti`), never by their text: from one
/// ECDSA signature anyone can make a second valid one.
///
/// [`state`](Self::state) is called in the middle of a request: answer from memory, or return
/// [`AskStore`](RevocationState::AskStore) with a future that asks elsewhere. Give that future a
/// deadline: the request waits for it.
///
/// ```
/// use hardpoint_auth::{Revocation, RevocationState, VerifiedToken};
/// use std::{collections::HashSet, sync::RwLock};
///
/// #[derive(Default)]
/// struct EndedSessions(RwLock<HashSet<String>>);
///
/// impl Revocation for EndedSessions {
///     fn state(&self, token: &VerifiedToken) -> RevocationState {
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
    /// The state of `token`.
    fn state(&self, token: &VerifiedToken) -> RevocationState;

    /// Asks the store behind this copy, if [`state`](Self::state) returned
    /// [`Unknown`](RevocationState::Unknown) and the policy is [`RevocationPolicy::AskStore`].
    /// Default: `None`, since an implementation need not have a store.
    fn ask(&self, _token: &VerifiedToken) -> Option<AskedStore> {
        None
    }
}

/// The answer of a store about the revocation of a token.
pub type AskedStore = Pin<Box<dyn Future<Output = RevocationState> + Send>>;

impl<R: Revocation + ?Sized> Revocation for Arc<R> {
    fn state(&self, token: &VerifiedToken) -> RevocationState {
        R::state(self, token)
    }

    fn ask(&self, token: &VerifiedToken) -> Option<AskedStore> {
        R::ask(self, token)
    }
}

/// The state of a token's revocation.
pub enum RevocationState {
    /// A store knows. The future submits its question when it is made or polled, and may be dropped.
    AskStore(AskedStore),
    /// The token was not revoked.
    Live,
    /// The token was revoked: 401.
    Revoked,
    /// The state is not known: the [`RevocationPolicy`] decides.
    Unknown,
}

debug_only!(RevocationState {});

/// What a verifier does if the revocation of a token is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationPolicy {
    /// Accept the token: revocation is best effort.
    Allow,
    /// Ask the store behind the copy, once for each request. If it does not know either, do as
    /// [`Deny`](Self::Deny) does. While the copy is stale, every request waits for a round trip, and
    /// [`TokenVerifier::verify`](crate::TokenVerifier::verify), which cannot wait, refuses.
    AskStore,
    /// Answer 503 with `Retry-After`, since nothing is wrong with the token. The default.
    #[default]
    Deny,
}
