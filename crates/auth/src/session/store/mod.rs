//! Where sessions are kept.

mod command;
mod memory;

use std::sync::Arc;

pub use self::command::{Accepted, Opened, Opening, Presentation, Presented, Revoke, Which};
use self::memory::MemorySessions;
use super::Session;
pub use crate::store::{BoxFuture, StoreError};
use crate::{InMemory, RevocationState, Revocations, VerifiedToken};

/// Where sessions are kept: in the memory of this process, or in a store that several instances
/// share. Clones share the sessions.
#[derive(Clone, Debug)]
pub struct SessionStore {
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    Memory(Arc<MemorySessions>),
    Remote(Arc<dyn FamilyStore>),
}

debug_only!(Kept {});

impl SessionStore {
    /// Keeps sessions in the memory of this process, with the default bounds and the system's clocks
    /// ([`InMemory`]). A restart ends them all, their access tokens included.
    ///
    /// Sessions are spread over 64 locks by id and by subject. An expired session is removed when it is
    /// presented, when its subject logs in or lists its sessions, and by log-ins that sweep a share of
    /// the table once a minute.
    #[must_use]
    pub fn memory() -> Self {
        InMemory::new().into()
    }

    /// Keeps sessions in a remote store.
    #[must_use]
    pub fn remote(store: Arc<dyn FamilyStore>) -> Self {
        store.revocations().ask_with(&store);
        Self { kept: Kept::Remote(store) }
    }

    /// What this store knows about revoked tokens, for
    /// [`TokenVerifierBuilder::revocation`](crate::TokenVerifierBuilder::revocation).
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        match &self.kept {
            Kept::Memory(sessions) => sessions.revocations.clone(),
            Kept::Remote(store) => store.revocations().clone(),
        }
    }

    /// Opens a session: see [`FamilyStore::open`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or is full.
    pub async fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError> {
        match &self.kept {
            Kept::Memory(sessions) => sessions.open(opening),
            Kept::Remote(store) => store.open(opening).await,
        }
    }

    /// Presents a token of a family: see [`FamilyStore::present`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn present(&self, presentation: &Presentation<'_>) -> Result<Presented, StoreError> {
        match &self.kept {
            Kept::Memory(sessions) => Ok(sessions.present(presentation)),
            Kept::Remote(store) => store.present(presentation).await,
        }
    }

    /// The sessions of a subject, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        match &self.kept {
            Kept::Memory(sessions) => Ok(sessions.list(subject)),
            Kept::Remote(store) => store.list(subject).await,
        }
    }

    /// Ends sessions of a subject and returns their number.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn revoke(&self, revoke: &Revoke<'_>) -> Result<u32, StoreError> {
        match &self.kept {
            Kept::Memory(sessions) => Ok(sessions.revoke(revoke)),
            Kept::Remote(store) => store.revoke(revoke).await,
        }
    }

    /// Revokes one access token by its `jti` until it expires, in seconds since 1970.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn revoke_token(&self, id: &str, until: u64) -> Result<(), StoreError> {
        match &self.kept {
            Kept::Memory(sessions) => {
                sessions.revoke_token(id, until);
                Ok(())
            }
            Kept::Remote(store) => store.revoke_token(id, until).await,
        }
    }
}

/// Keeps sessions outside of this process, so that several instances share them.
///
/// Implementations answer within a deadline of their own: requests wait for them.
///
/// # Semantics
/// 1. Each method is one atomic step of the store. [`present`](Self::present) decides as
///    [`FamilyState::present`](super::FamilyState::present) does, by the clock of the store.
/// 2. A method submits its command before it returns. The future only carries the answer, so
///    dropping it never loses a command.
/// 3. A family is found by its id, and only if the digest of its proof is equal. The store keeps
///    nothing that a token could be made from.
/// 4. A method that ends a session records it in [`revocations`](Self::revocations) before its
///    future is ready, so this instance refuses the session's access tokens from then on; and it
///    informs the other instances.
/// 5. The *epoch* of a subject never becomes smaller. It begins at the store's *origin*, a number
///    that a store which lost its state chooses anew, larger than every number before: the time in
///    milliseconds. Revoking all sessions of a subject makes its epoch larger than both its former
///    value and the time. An epoch is kept until the last session with it has ended.
/// 6. The suite in `tests/it/sessions/conformance.rs` of this crate checks a store against the pure
///    model. A store that does not pass it is not a store. `examples/sessions-postgres` is a store
///    outside of this crate, and includes the suite.
pub trait FamilyStore: Send + Sync + 'static {
    /// Opens a session. If the subject has [`max_sessions`](Opening::max_sessions) already, those
    /// that were not used for the longest time end.
    fn open(&self, opening: &Opening<'_>) -> BoxFuture<Opened>;

    /// Presents a token of a family, and ends the family if the token was used before.
    fn present(&self, presentation: &Presentation<'_>) -> BoxFuture<Presented>;

    /// The sessions of a subject that have not ended, the newest first.
    fn list(&self, subject: &str) -> BoxFuture<Vec<Session>>;

    /// Ends sessions of a subject and returns their number.
    fn revoke(&self, revoke: &Revoke<'_>) -> BoxFuture<u32>;

    /// Revokes one access token by its `jti` until it expires, in seconds since 1970.
    fn revoke_token(&self, id: &str, until: u64) -> BoxFuture<()>;

    /// What the store itself knows about a token, by its subject, epoch, session and id, for a replica that
    /// is stale.
    fn ask(&self, token: &VerifiedToken) -> BoxFuture<RevocationState>;

    /// This process's replica of the revocations.
    fn revocations(&self) -> &Revocations;
}
