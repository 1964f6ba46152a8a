//! Where an issuer's keys come from, and how a value that may change is read without a lock.

use std::{net::IpAddr, ops::Deref, pin::Pin, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::KeySet;

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
    /// Looks for the key with this id, which a client of this network named; without an id, only for any
    /// usable key.
    fn find(
        &self,
        key_id: Option<&str>,
        network: Option<IpAddr>,
    ) -> Pin<Box<dyn Future<Output = Refreshed> + Send>>;
}

/// The result of looking for a key that the set does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refreshed {
    /// The issuer cannot be asked, so a token with this key is neither good nor bad.
    Failed,
    /// The set contains the key now.
    Found,
    /// The client's network has named so many unknown keys that it must wait this long.
    Spent(Duration),
    /// The issuer did not have the key when it was asked a moment ago.
    Unknown,
}

/// A fixed value, or the newest one of a channel. Clones share the value that was read last.
#[derive(Clone)]
pub(crate) enum Live<T: Send + Sync + 'static> {
    Fixed(Arc<T>),
    Watched(Arc<ArcSwap<Seen<T>>>),
}

/// The value that was read last, and a receiver that knows whether it is the newest: asking it takes
/// one atomic load, while reading the channel takes a lock that all readers share.
pub(crate) struct Seen<T> {
    value: Arc<T>,
    receiver: watch::Receiver<Arc<T>>,
    /// Whether the channel is closed, so this is the last value.
    is_last: bool,
}

impl<T: Send + Sync + 'static> Live<T> {
    pub(crate) fn watching(mut receiver: watch::Receiver<Arc<T>>) -> Self {
        let value = Arc::clone(&receiver.borrow_and_update());
        Self::Watched(Arc::new(ArcSwap::from_pointee(Seen { value, receiver, is_last: false })))
    }

    /// The current value.
    pub(crate) fn load(&self) -> Loaded<'_, T> {
        let shared = match self {
            Self::Fixed(value) => return Loaded::Fixed(value),
            Self::Watched(shared) => shared,
        };
        let seen = shared.load();
        match seen.receiver.has_changed() {
            Ok(false) => Loaded::Watched(seen),
            Err(_) if seen.is_last => Loaded::Watched(seen),
            Ok(true) => Loaded::Watched(Self::renew(shared, &seen, false)),
            // The last value may have been sent right before the channel was closed.
            Err(_) => Loaded::Watched(Self::renew(shared, &seen, true)),
        }
    }

    /// Takes the lock of the channel, once for each change. Readers at the same time do so too; which
    /// of them stores last does not matter, since the next reader asks for a newer value again. Each
    /// returns the value that it read itself, which is never older than its call.
    fn renew(shared: &ArcSwap<Seen<T>>, seen: &Seen<T>, is_last: bool) -> Guard<Arc<Seen<T>>> {
        let mut receiver = seen.receiver.clone();
        let value = Arc::clone(&receiver.borrow_and_update());
        let renewed = Arc::new(Seen { value, receiver, is_last });
        shared.store(Arc::clone(&renewed));
        Guard::from_inner(renewed)
    }
}

/// A value while it is read.
pub(crate) enum Loaded<'a, T> {
    Fixed(&'a Arc<T>),
    Watched(Guard<Arc<Seen<T>>>),
}

impl<T> Deref for Loaded<'_, T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        match self {
            Self::Fixed(value) => value,
            Self::Watched(seen) => &seen.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_read_by_all_clones_and_the_last_one_stays() {
        let (send, receive) = watch::channel(Arc::new(1));
        let live = Live::watching(receive);
        let twin = live.clone();
        assert_eq!(**live.load(), 1);
        send.send_replace(Arc::new(2));
        assert_eq!((**live.load(), **twin.load()), (2, 2));
        send.send_replace(Arc::new(3));
        drop(send);
        assert_eq!((**twin.load(), **live.load(), **live.load()), (3, 3, 3));
    }
}
