//! What the request body reports to the response.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use hardpoint_core::{HeadFacts, Outcome};

/// Reports to the response that the body exceeded the limit.
#[derive(Clone, Debug)]
pub(super) struct Mark(Arc<Passed>);

#[derive(Debug)]
struct Passed {
    flag: AtomicBool,
    /// The task that sends the response, once its head was sent.
    sender: Mutex<Option<Waker>>,
    facts: HeadFacts,
}

impl Mark {
    pub(super) fn new(facts: HeadFacts) -> Self {
        let flag = AtomicBool::new(false);
        Self(Arc::new(Passed { flag, sender: Mutex::new(None), facts }))
    }

    pub(super) fn set(&self) {
        self.0.flag.store(true, Ordering::Release);
        // The response head may already have been sent. Then the record shows why the body broke
        // off.
        if let Some(context) = self.0.facts.context() {
            context.set_body_outcome(Outcome::Rejected);
        }
        // The body may be read in another task than the one that sends the response.
        let sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    /// Wakes this task when the mark is set. Look at the mark once more afterwards.
    pub(super) fn wake(&self, waker: &Waker) {
        let mut sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *sender {
            Some(sender) => sender.clone_from(waker),
            None => *sender = Some(waker.clone()),
        }
    }

    pub(super) fn facts(&self) -> &HeadFacts {
        &self.0.facts
    }
}
