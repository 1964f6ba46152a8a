//! The phase of the service and the number of requests in flight, in one atomic word.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Bit 0: draining. Bit 1: started. Bits 2 and up: requests in flight.
///
/// With one word, a leaving request learns in one step that it is the last one and that the service
/// is draining. With two words, the wake-up could be lost between them.
#[derive(Default)]
pub(crate) struct Phase {
    word: AtomicU64,
}

impl Phase {
    const DRAINING: u64 = 1;
    const STARTED: u64 = 1 << 1;
    const ONE_REQUEST: u64 = 1 << 2;

    /// Returns `true` on the first call only.
    pub(crate) fn start(&self) -> bool {
        self.word.fetch_or(Self::STARTED, Ordering::AcqRel) & Self::STARTED == 0
    }

    /// Returns `true` on the first call only.
    pub(crate) fn begin_drain(&self) -> bool {
        self.word.fetch_or(Self::DRAINING, Ordering::AcqRel) & Self::DRAINING == 0
    }

    /// Adds one request to the in-flight count.
    pub(crate) fn enter(&self) {
        self.word.fetch_add(Self::ONE_REQUEST, Ordering::Relaxed);
    }

    /// Removes one request from the in-flight count. Returns `true` if it was the last one and the
    /// service is draining. Call it once per `enter`.
    pub(crate) fn leave(&self) -> bool {
        let before = self.word.fetch_sub(Self::ONE_REQUEST, Ordering::AcqRel);
        before & Self::DRAINING != 0 && before / Self::ONE_REQUEST == 1
    }

    pub(crate) fn is_started(&self) -> bool {
        self.word.load(Ordering::Acquire) & Self::STARTED != 0
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.word.load(Ordering::Acquire) & Self::DRAINING != 0
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.word.load(Ordering::Acquire) / Self::ONE_REQUEST
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phase")
            .field("started", &self.is_started())
            .field("draining", &self.is_draining())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_request_of_a_drain_is_told_so() {
        let phase = Phase::default();
        phase.enter();
        assert!(!phase.leave(), "not draining yet");
        phase.enter();
        phase.enter();
        assert!(phase.begin_drain());
        assert_eq!(phase.in_flight(), 2);
        assert!(!phase.leave(), "one is left");
        assert!(phase.leave());
        assert_eq!(phase.in_flight(), 0);
    }

    #[test]
    fn each_step_is_taken_once_and_does_not_touch_the_count() {
        let phase = Phase::default();
        phase.enter();
        assert!(!phase.is_started() && !phase.is_draining());
        assert!(phase.start() && !phase.start());
        assert!(phase.begin_drain() && !phase.begin_drain());
        assert!(phase.is_started() && phase.is_draining());
        assert_eq!(phase.in_flight(), 1);
    }
}
