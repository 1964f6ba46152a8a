//! What all clones of one spy share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use http::{Response, request::Parts};

use super::SpyError;
use crate::TestBody;

/// What a spy says when it is asked whether it is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It failed.
    Failed(SpyError),
    /// Not yet.
    Pending,
    /// It takes a request, if a permit is left.
    #[default]
    Ready,
}

/// How often what was done to a spy and its clones, and how many of what there are right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Answers that were delivered.
    pub answered: usize,
    /// Requests that arrived.
    pub calls: usize,
    /// Futures that were dropped before they were ready.
    pub cancelled: usize,
    /// Clones that were made, dropped ones included.
    pub clones: usize,
    /// Futures that exist and are not ready, right now.
    pub in_flight: usize,
    /// Instances that exist right now.
    pub live: usize,
    /// Permits that are taken right now: by instances that said that they are ready, and by futures.
    pub permits_in_use: usize,
    /// Questions whether an instance is ready.
    pub polls: usize,
}

pub(super) type Answer = Result<Response<TestBody>, SpyError>;
pub(super) type Responder = Arc<dyn Fn(&Parts) -> Answer + Send + Sync>;

/// One lock for everything: a spy is for finding out, not for speed.
pub(super) struct Shared {
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) counts: Counts,
    pub(super) readiness: Readiness,
    pub(super) permits: usize,
    pub(super) held: bool,
    pub(super) recording: bool,
    pub(super) responder: Option<Responder>,
    pub(super) seen: Vec<Parts>,
    pub(super) violations: Vec<String>,
    wakers: Vec<Waker>,
}

impl Shared {
    pub(super) fn with_permits(permits: usize) -> Arc<Self> {
        let state = State {
            counts: Counts::default(),
            readiness: Readiness::Ready,
            permits,
            held: false,
            recording: true,
            responder: None,
            seen: Vec::new(),
            violations: Vec::new(),
            wakers: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A spy that panicked on purpose still counts.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes everybody who waits: each finds out whether it was meant.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        // A waker may run anything, a poll of this spy too.
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn poll_permit(self: &Arc<Self>, waker: &Waker) -> Poll<Result<Permit, SpyError>> {
        let mut state = self.lock();
        match state.readiness {
            Readiness::Failed(error) => Poll::Ready(Err(error)),
            Readiness::Ready if state.counts.permits_in_use < state.permits => {
                state.counts.permits_in_use += 1;
                Poll::Ready(Ok(Permit { shared: Arc::clone(self) }))
            }
            Readiness::Pending | Readiness::Ready => {
                state.register(waker);
                Poll::Pending
            }
        }
    }
}

impl State {
    pub(super) fn register(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

/// The right to call once; given back when dropped.
pub(super) struct Permit {
    shared: Arc<Shared>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.change(|state| state.counts.permits_in_use -= 1);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
