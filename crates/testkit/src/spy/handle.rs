//! The handle that controls and observes a spy.

use std::{fmt, sync::Arc};

use http::{Response, request::Parts};

use super::{
    Counts, Readiness, SpyError,
    state::{Shared, State},
};
use crate::TestBody;

/// Controls a [`Spy`](super::Spy) and all its clones, and reports how they were used.
#[derive(Clone)]
pub struct SpyHandle {
    shared: Arc<Shared>,
}

impl SpyHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sets the readiness of instances that hold no permit, and wakes all waiting tasks.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.shared.change(|state| state.readiness = readiness);
    }

    /// Sets the number of permits, and wakes all waiting tasks.
    pub fn set_permits(&self, permits: usize) {
        self.shared.change(|state| state.permits = permits);
    }

    /// Keeps all futures pending until [`release`](Self::release).
    pub fn hold(&self) {
        self.shared.change(|state| state.held = true);
    }

    /// Lets all futures complete, and wakes them.
    pub fn release(&self) {
        self.shared.change(|state| state.held = false);
    }

    /// Answers each request with the result of `responder`, which runs during the call.
    pub fn respond<F>(&self, responder: F)
    where
        F: Fn(&Parts) -> Result<Response<TestBody>, SpyError> + Send + Sync + 'static,
    {
        self.shared.change(|state| state.responder = Some(Arc::new(responder)));
    }

    /// Returns the counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.read(|state| state.counts)
    }

    /// Returns the number of requests that arrived.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.counts().calls
    }

    /// Returns the heads of the requests that arrived, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Parts> {
        self.read(|state| state.seen.clone())
    }

    /// Returns the violations of the service contract.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.read(|state| state.violations.clone())
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.shared.lock())
    }
}

impl fmt::Debug for SpyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpyHandle").field(&self.counts()).finish()
    }
}
