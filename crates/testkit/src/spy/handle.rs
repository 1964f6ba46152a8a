//! Steering and watching a spy.

use std::{fmt, sync::Arc};

use http::{Response, request::Parts};

use super::{
    Counts, Readiness, SpyError,
    state::{Shared, State},
};
use crate::TestBody;

/// Steers a [`Spy`](super::Spy) and all its clones, and tells what was done to them.
#[derive(Clone)]
pub struct SpyHandle {
    shared: Arc<Shared>,
}

impl SpyHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sets what instances say that hold no permit, and wakes whoever waits.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.shared.change(|state| state.readiness = readiness);
    }

    /// Sets how many requests are taken at a time, and wakes whoever waits.
    pub fn set_permits(&self, permits: usize) {
        self.shared.change(|state| state.permits = permits);
    }

    /// Keeps every future pending until [`release`](Self::release).
    pub fn hold(&self) {
        self.shared.change(|state| state.held = true);
    }

    /// Lets all futures go, and wakes them.
    pub fn release(&self) {
        self.shared.change(|state| state.held = false);
    }

    /// Answers each request with what `responder` makes of its head, at the moment of the call.
    pub fn respond<F>(&self, responder: F)
    where
        F: Fn(&Parts) -> Result<Response<TestBody>, SpyError> + Send + Sync + 'static,
    {
        self.shared.change(|state| state.responder = Some(Arc::new(responder)));
    }

    /// How often what was done, and how many of what there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.read(|state| state.counts)
    }

    /// How many requests arrived.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.counts().calls
    }

    /// The heads of the requests that arrived, first come first.
    #[must_use]
    pub fn seen(&self) -> Vec<Parts> {
        self.read(|state| state.seen.clone())
    }

    /// What was done to an instance that the contract of services forbids.
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
