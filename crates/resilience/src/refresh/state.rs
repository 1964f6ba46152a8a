//! The credential, and who may replace it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use hardpoint_core::{Mono, Time};
use http::{HeaderName, HeaderValue};
use tokio::sync::Mutex;

use super::RefreshFailed;
use crate::{BoxError, TimedOut};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(super) type Fetch = dyn Fn() -> BoxFuture<Result<HeaderValue, BoxError>> + Send + Sync;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) fetch: Arc<Fetch>,
    pub(super) header: HeaderName,
    pub(super) timeout: Duration,
    pub(super) min_interval: Duration,
    pub(super) replay_limit: usize,
    pub(super) time: Time,
}

pub(super) struct State {
    pub(super) settings: Settings,
    current: StdMutex<Current>,
    /// Held by the call that refreshes.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Current {
    credential: Option<HeaderValue>,
    /// How many refreshes have ended, well or not.
    round: u64,
    ended: Option<Mono>,
}

/// The credential that a call carries.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) value: HeaderValue,
    round: u64,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, current: StdMutex::default(), turn: Mutex::new(()) }
    }

    pub(super) fn current(&self) -> Option<Credential> {
        self.lock().credential()
    }

    /// A credential other than `refused`, fetched by this call or by another. `None` if there is
    /// none.
    pub(super) async fn after(self: Arc<Self>, refused: Credential) -> Option<Credential> {
        let newer = |state: &Self| {
            let current = state.lock();
            (current.round > refused.round).then(|| {
                current.credential().filter(|credential| credential.value != refused.value)
            })
        };
        if let Some(ended) = newer(&self) {
            return ended;
        }
        let _turn = self.turn.lock().await;
        // A refresh that ended while this call waited counts for it too, even if it failed: a
        // hundred calls do not fail one after the other.
        if let Some(ended) = newer(&self) {
            return ended;
        }
        self.refresh().await.ok().filter(|credential| credential.value != refused.value)
    }

    /// The first credential.
    pub(super) async fn first(self: Arc<Self>) -> Result<Credential, RefreshFailed> {
        let _turn = self.turn.lock().await;
        match self.current() {
            Some(credential) => Ok(credential),
            None => self.refresh().await,
        }
    }

    /// Calls the function. The caller has the turn.
    async fn refresh(&self) -> Result<Credential, RefreshFailed> {
        let Settings { fetch, timeout, min_interval, time, .. } = &self.settings;
        let ended = self.lock().ended;
        let too_soon = |ended| time.now().saturating_since(ended) < *min_interval;
        if ended.is_some_and(too_soon) {
            return Err(RefreshFailed::new(None));
        }
        let fetched = match tokio::time::timeout(*timeout, fetch()).await {
            Ok(fetched) => fetched,
            Err(_elapsed) => Err(TimedOut::new(*timeout).into()),
        };
        let mut current = self.lock();
        current.round += 1;
        current.ended = Some(time.now());
        match fetched {
            Ok(mut value) => {
                value.set_sensitive(true);
                let round = current.round;
                current.credential = Some(value.clone());
                Ok(Credential { value, round })
            }
            Err(error) => {
                tracing::warn!(
                    target: "hardpoint::resilience::refresh",
                    error = &*error as &(dyn std::error::Error + 'static),
                    "credential not refreshed"
                );
                Err(RefreshFailed::new(Some(error)))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // Each change is one assignment after another, and none of them panics.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn credential(&self) -> Option<Credential> {
        Some(Credential { value: self.credential.clone()?, round: self.round })
    }
}
