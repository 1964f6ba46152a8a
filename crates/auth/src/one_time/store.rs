//! Where one-time tokens are kept.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{Purpose, memory::MemoryTokens};
use crate::{
    InMemory,
    rate::Rate,
    store::{BoxFuture, StoreError},
};

/// Where one-time tokens are kept: in the memory of this process, or in a store that several instances
/// share. Clones share the tokens.
#[derive(Clone, Debug)]
pub struct TokenStore {
    pub(super) kept: Kept,
}

#[derive(Clone)]
pub(super) enum Kept {
    Memory(Arc<MemoryTokens>),
    Remote(Arc<dyn RemoteTokens>),
}

debug_only!(Kept {});

/// The name of a slot: the place of the tokens of one purpose and one subject.
pub type Slot = [u8; 16];

/// A token that is put into its slot, in place of all earlier ones.
#[derive(Clone, Copy)]
pub struct Put<'a> {
    /// The purpose.
    pub purpose: Purpose,
    /// The slot.
    pub slot: &'a Slot,
    /// The names of the same slot under previous root secrets, which are emptied.
    pub former: &'a [Slot],
    /// The store finds the token by this. For a code, the store compares its state by this.
    pub digest: &'a [u8; 32],
    /// The store compares this when the token is consumed.
    pub proof: &'a [u8; 32],
    /// The subject.
    pub subject: &'a str,
    /// What the application keeps with the token.
    pub data: &'a [u8],
    /// How long the token lives.
    pub lifetime: Duration,
}

debug_only!(Put<'_> { lifetime });

/// A token that was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The subject.
    pub subject: String,
    /// What the application keeps with the token.
    pub data: Vec<u8>,
}

debug_only!(Found {});

/// The result of consuming a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was consumed, and is gone.
    Consumed,
    /// It was not found: it was replaced, consumed or voided, or has expired. Or the code was
    /// wrong.
    Unknown,
    /// It was there, for another state. It is gone.
    Void,
}

/// A request for a token.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The purpose.
    pub purpose: Purpose,
    /// The recipient of the token, who need not exist.
    pub recipient: &'a str,
    /// The network of the client that requests it.
    pub network: Option<IpAddr>,
    /// How many requests for one recipient are admitted.
    pub per_recipient: &'a Rate,
    /// How many requests of one network are admitted.
    pub per_network: &'a Rate,
}

debug_only!(Request<'_> { purpose });

/// Keeps one-time tokens outside of this process, so that several instances share them.
///
/// # Semantics
/// 1. Each method is one atomic step of the store, by its own clock. It submits its command before it
///    returns; the future only carries the answer.
/// 2. A slot holds at most one token. Of any number of concurrent [`take`](Self::take) calls with a
///    token, exactly one returns [`Taken::Consumed`].
/// 3. Recipients and networks are digested before they become parts of keys. Slots are digests.
/// 4. The suite in `tests/it/one_time` of this crate checks a store against the pure model.
pub trait RemoteTokens: Send + Sync + 'static {
    /// Counts a request, in both rates or in neither. Returns how long the client has to wait; zero if
    /// the request is admitted.
    fn admit(&self, request: &Request<'_>) -> BoxFuture<Duration>;

    /// Puts a token into its slot.
    fn put(&self, put: &Put<'_>) -> BoxFuture<()>;

    /// Returns the token with this digest, and leaves it there.
    fn find(&self, slot: &Slot, digest: &[u8; 32]) -> BoxFuture<Option<Found>>;

    /// Consumes the token with this digest if its proof is equal, and removes it in any case.
    fn take(&self, slot: &Slot, digest: &[u8; 32], proof: &[u8; 32]) -> BoxFuture<Taken>;

    /// Consumes the code with this digest if its proof is equal. A wrong proof is a try; too many
    /// tries remove the code. With another digest nothing is tried.
    fn guess(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
        tries: u32,
    ) -> BoxFuture<Taken>;

    /// Removes the token of a slot.
    fn void(&self, slot: &Slot) -> BoxFuture<()>;
}

macro_rules! either {
    ($self:ident, $name:ident($($argument:expr),*)) => {
        match &$self.kept {
            Kept::Memory(tokens) => tokens.$name($($argument),*),
            Kept::Remote(store) => store.$name($($argument),*).await,
        }
    };
}

impl TokenStore {
    /// Keeps tokens in the memory of this process, with the default bounds and the system's clocks
    /// ([`InMemory`]). A restart forgets them all.
    #[must_use]
    pub fn memory() -> Self {
        InMemory::new().into()
    }

    /// Keeps tokens in a remote store.
    #[must_use]
    pub fn remote(store: Arc<dyn RemoteTokens>) -> Self {
        Self { kept: Kept::Remote(store) }
    }

    /// Counts a request: see [`RemoteTokens::admit`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn admit(&self, request: &Request<'_>) -> Result<Duration, StoreError> {
        either!(self, admit(request))
    }

    /// Puts a token into its slot: see [`RemoteTokens::put`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or is full.
    pub async fn put(&self, put: &Put<'_>) -> Result<(), StoreError> {
        either!(self, put(put))
    }

    /// Returns a token: see [`RemoteTokens::find`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn find(&self, slot: &Slot, digest: &[u8; 32]) -> Result<Option<Found>, StoreError> {
        either!(self, find(slot, digest))
    }

    /// Consumes a token: see [`RemoteTokens::take`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer. The token may be consumed or not.
    pub async fn take(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
    ) -> Result<Taken, StoreError> {
        either!(self, take(slot, digest, proof))
    }

    /// Consumes a code: see [`RemoteTokens::guess`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer. The try may be counted or not.
    pub async fn guess(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
        tries: u32,
    ) -> Result<Taken, StoreError> {
        either!(self, guess(slot, digest, proof, tries))
    }

    /// Removes the token of a slot: see [`RemoteTokens::void`].
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub async fn void(&self, slot: &Slot) -> Result<(), StoreError> {
        either!(self, void(slot))
    }
}
