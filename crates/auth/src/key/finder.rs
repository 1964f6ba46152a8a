//! Where an issuer's keys come from.

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;

use super::{KeySet, Live};

/// The keys of an issuer that a verifier trusts: fixed, watched, or remote.
///
/// Made from a [`KeySet`], from a `watch::Receiver<Arc<KeySet>>`, whose newest value is used, or
/// from `RemoteKeys` (feature `remote`), which also looks up key ids that the set does not contain.
#[derive(Clone)]
pub struct IssuerKeys {
    pub(crate) live: Live<KeySet>,
    pub(crate) finder: Option<Arc<dyn KeyFinder>>,
}

impl From<KeySet> for IssuerKeys {
    fn from(keys: KeySet) -> Self {
        Self { live: Live::Fixed(Arc::new(keys)), finder: None }
    }
}

impl From<watch::Receiver<Arc<KeySet>>> for IssuerKeys {
    fn from(keys: watch::Receiver<Arc<KeySet>>) -> Self {
        Self { live: Live::watching(keys), finder: None }
    }
}

debug_only!(IssuerKeys {});

/// Looks up keys that a set does not contain.
pub(crate) trait KeyFinder: Send + Sync {
    /// Looks for the key with this id; without an id, only for any usable key.
    fn find(&self, key_id: Option<&str>) -> Pin<Box<dyn Future<Output = Refreshed> + Send>>;
}

/// The result of looking for a key that the set does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refreshed {
    /// The issuer cannot be asked, so a token with this key is neither good nor bad.
    Failed,
    /// The set contains the key now.
    Found,
    /// The issuer has no such key, as far as it may be asked.
    Unknown,
}
