//! The handle of remote keys.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use hardpoint_core::{Mono, Time};
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    Fetch, KeysState, RefreshError, RefreshErrorKind, RemoteKeysBuilder,
    builder::Way,
    machine::{Machine, Miss},
};
use crate::{
    IssuerKeys, KeySet, SkippedKey,
    key::{KeyFinder, Live, MAX_KEY_ID, Refreshed},
};

/// How many callers may wait for a fetch at the same time.
const MAX_WAITING: usize = 4096;

/// The keys of an issuer, fetched from it and kept up to date. See the [module docs](super).
///
/// Clones are handles of the same keys.
#[derive(Clone)]
pub struct RemoteKeys {
    pub(super) shared: Arc<Shared>,
    /// Wakes the task. It ends when there is neither a handle nor a receiver of the keys.
    pub(super) wake: mpsc::Sender<()>,
}

/// What handles and the task share.
pub(super) struct Shared {
    machine: Mutex<Machine>,
    /// The keys; empty if none are held.
    pub(super) keys: watch::Sender<Arc<KeySet>>,
    rounds: watch::Receiver<Ended>,
    /// The keys of the last set that cannot be used.
    pub(super) skipped: ArcSwap<Vec<SkippedKey>>,
    /// A permit for each caller that may wait for a fetch.
    waiting: Semaphore,
    time: Time,
    digests: RandomState,
}

/// The last round that has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) error: Option<RefreshError>,
}

impl RemoteKeys {
    /// The keys at this URL, where an issuer publishes its JSON Web Key Set.
    ///
    /// Prefer [`discovery`](Self::discovery) if the issuer supports it: it follows when the keys move.
    pub fn jwks(url: impl Into<String>, fetch: impl Fetch) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(url.into(), Way::Direct, fetch)
    }

    /// The keys of this issuer, found through OpenID Connect Discovery.
    ///
    /// `issuer` is written as in its tokens, to the last slash: the document at
    /// `<issuer>/.well-known/openid-configuration` must name exactly it.
    pub fn discovery(issuer: impl Into<String>, fetch: impl Fetch) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(issuer.into(), Way::Discovery, fetch)
    }

    /// The keys of Microsoft Entra for several tenants, found through a document such as that of
    /// `https://login.microsoftonline.com/common/v2.0`: it must name the issuer with `{tenantid}` in
    /// the place of the tenant. A key that names one tenant verifies only its tokens.
    ///
    /// The verifier still decides which tenants are accepted: see
    /// [`TrustedIssuer::template`](crate::TrustedIssuer::template).
    pub fn entra(issuer: impl Into<String>, fetch: impl Fetch) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(issuer.into(), Way::Entra, fetch)
    }

    /// The current keys, such as for a [`JwksService`](crate::JwksService).
    ///
    /// The set is empty before the first fetch and after the keys have expired.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<KeySet>> {
        self.shared.keys.subscribe()
    }

    /// The state of the keys, for a health check. It takes a lock for nanoseconds.
    #[must_use]
    pub fn state(&self) -> KeysState {
        self.shared.machine(|machine, now| machine.state(now))
    }

    /// The keys of the issuer's last set that cannot be used, and why, for a health report.
    #[must_use]
    pub fn skipped(&self) -> Vec<SkippedKey> {
        self.shared.skipped.load().to_vec()
    }

    /// Why the last round failed; `None` if it did not, or none has ended.
    #[must_use]
    pub fn last_error(&self) -> Option<RefreshError> {
        self.shared.rounds.borrow().error.clone()
    }

    /// Resolves when keys are held, or when a round has ended without any: at the latest after a pause of
    /// a minute and the timeout.
    ///
    /// Await it before the service reports that it is ready, so that the first requests find keys.
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// [`RefreshError`] says why no keys are held. Fetching continues.
    pub async fn warm(&self) -> Result<(), RefreshError> {
        let mut rounds = self.shared.rounds.clone();
        rounds.mark_unchanged();
        while !self.shared.has_keys() {
            rounds.changed().await.map_err(|_| RefreshErrorKind::Stopped)?;
            let error = rounds.borrow_and_update().error.clone();
            if let Some(error) = error.filter(|_| !self.shared.has_keys()) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Looks for a key that a token names and the set does not contain: it may be newer than the set.
    ///
    /// All concurrent callers share one fetch, and after one that brought nothing new the next one for
    /// an unknown id is a second away. A network of clients may cause two fetches that bring a key, and otherwise one in 30 seconds;
    /// callers without a network share one such budget. An id that the issuer did not have is not
    /// looked for again for a minute. A caller during a fetch waits for it, and for another one if it
    /// did not bring the key, which may have been published meanwhile. At most 4,096 callers wait at
    /// the same time; to the others the answer is [`Failed`](Refreshed::Failed). Ids longer than 128
    /// bytes are never looked for, and no id is sent anywhere. The fetch continues if the future is
    /// dropped.
    pub async fn refresh_for_unknown_key_id(
        &self,
        key_id: &str,
        network: Option<IpAddr>,
    ) -> Refreshed {
        if self.shared.has(key_id) {
            return Refreshed::Found;
        }
        if key_id.len() > MAX_KEY_ID {
            return Refreshed::Unknown;
        }
        let digest = self.shared.digests.hash_one(key_id);
        let by = self.shared.digests.hash_one(network);
        let mut rounds = self.shared.rounds.clone();
        let before = Arc::clone(&self.shared.keys.borrow());
        // A fetch after one that was joined began after the question, so no third is needed.
        let mut has_joined = false;
        loop {
            let missed = self.shared.machine(|machine, now| machine.missed(digest, by, now));
            let (number, tells) = match missed {
                Miss::Failed => return Refreshed::Failed,
                Miss::Spent(wait) if network.is_some() => return Refreshed::Spent(wait),
                Miss::Spent(_) => return Refreshed::Failed,
                Miss::Unknown if self.shared.has_keys() => return Refreshed::Unknown,
                Miss::Unknown => return Refreshed::Failed,
                Miss::Wait { round, has_begun } => (round, has_joined || !has_begun),
            };
            let Ok(_waiting) = self.shared.waiting.try_acquire() else { return Refreshed::Failed };
            // Full means that the task is being woken already.
            let _woken = self.wake.try_send(());
            let ended = rounds.wait_for(|ended| ended.number >= number).await;
            let failed = ended.map_or(true, |ended| ended.error.is_some());
            if self.shared.has(key_id) || self.shared.has_new_unnamed(&before) {
                return Refreshed::Found;
            }
            if failed {
                return Refreshed::Failed;
            }
            if tells {
                self.shared.machine(|machine, now| machine.remember(digest, now));
                return Refreshed::Unknown;
            }
            has_joined = true;
        }
    }
}

impl KeyFinder for RemoteKeys {
    fn find(
        &self,
        key_id: Option<&str>,
        network: Option<IpAddr>,
    ) -> Pin<Box<dyn Future<Output = Refreshed> + Send>> {
        let (keys, key_id) = (self.clone(), key_id.map(str::to_owned));
        Box::pin(async move {
            match key_id {
                Some(key_id) => keys.refresh_for_unknown_key_id(&key_id, network).await,
                None if keys.shared.has_keys() => Refreshed::Unknown,
                None => Refreshed::Failed,
            }
        })
    }
}

impl From<RemoteKeys> for IssuerKeys {
    fn from(keys: RemoteKeys) -> Self {
        Self { live: Live::watching(keys.watch()), finder: Some(Arc::new(keys)) }
    }
}

impl Shared {
    pub(super) fn new(machine: Machine, rounds: watch::Receiver<Ended>, time: Time) -> Self {
        let (keys, _) = watch::channel(Arc::new(KeySet::empty()));
        Self {
            machine: Mutex::new(machine),
            keys,
            rounds,
            skipped: ArcSwap::default(),
            waiting: Semaphore::new(MAX_WAITING),
            time,
            digests: RandomState::new(),
        }
    }

    fn has_keys(&self) -> bool {
        self.keys.borrow().iter().len() > 0
    }

    /// Runs `run` with the machine and the current time.
    pub(super) fn machine<R>(&self, run: impl FnOnce(&mut Machine, Mono) -> R) -> R {
        let now = self.now();
        run(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    pub(super) fn now(&self) -> Mono {
        self.time.now()
    }

    /// Whether other keys than before are held, of which one without an id may be the token's.
    fn has_new_unnamed(&self, before: &Arc<KeySet>) -> bool {
        let keys = self.keys.borrow();
        !Arc::ptr_eq(&keys, before) && keys.iter().any(|key| !key.is_named())
    }

    fn has(&self, key_id: &str) -> bool {
        self.keys.borrow().find(key_id).is_some()
    }
}

debug_only!(RemoteKeys {});
