//! How the accept loop tells its connections to end.

use std::sync::OnceLock;

use tokio::{sync::Notify, time::Instant};

use super::patience;

/// Set once, when the drain delay and the settle time are over.
#[derive(Debug, Default)]
pub(super) struct Stop {
    times: OnceLock<Times>,
    began: Notify,
}

/// The times of a stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) settle_until: Instant,
    pub(super) client_until: Instant,
}

impl Stop {
    pub(super) fn begin(&self, times: Times) {
        // The times first: a woken connection reads them.
        if self.times.set(times).is_ok() {
            self.began.notify_waiters();
        }
    }

    pub(super) fn times(&self) -> Option<Times> {
        self.times.get().copied()
    }

    /// Resolves when the stop begins.
    pub(super) async fn begun(&self) -> Times {
        loop {
            // Register before reading, so that no wake-up in between is lost.
            let began = self.began.notified();
            if let Some(times) = self.times() {
                return times;
            }
            began.await;
        }
    }
}

impl Times {
    /// The times since `origin`.
    pub(super) fn since(self, origin: Instant) -> patience::Stop {
        patience::Stop {
            settle_until: self.settle_until.saturating_duration_since(origin),
            client_until: self.client_until.saturating_duration_since(origin),
        }
    }
}
