//! The state that all clones of a spy share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use http::{Response, request::Parts};

use super::SpyError;
use crate::TestBody;

/// The result of a spy's `poll_ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// `poll_ready` fails with this error.
    Failed(SpyError),
    /// `poll_ready` returns `Pending`.
    Pending,
    /// `poll_ready` returns `Ready` if a permit is available.
    #[default]
    Ready,
}

/// The counters of a spy and its clones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Total number of responses and errors returned.
    pub answered: usize,
    /// Total number of requests that arrived.
    pub calls: usize,
    /// Total number of futures dropped before they completed.
    pub cancelled: usize,
    /// Total number of clones made, including dropped ones.
    pub clones: usize,
    /// Current number of futures that have not completed.
    pub in_flight: usize,
    /// Current number of instances.
    pub live: usize,
    /// Current number of permits held by ready instances and futures.
    pub permits_in_use: usize,
    /// Total number of calls of `poll_ready`.
    pub polls: usize,
}

pub(super) type Answer = Result<Response<TestBody>, SpyError>;
pub(super) type Responder = Arc<dyn Fn(&Parts) -> Answer + Send + Sync>;

/// One lock guards the whole state: a spy need not be fast.
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

    /// Ignores poisoning: a spy keeps counting after it panicked on purpose.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes all waiting tasks, each of which checks its own condition.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        // A waker may run any code, including a poll of this spy.
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

/// The right to one call. Returned on drop.
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
