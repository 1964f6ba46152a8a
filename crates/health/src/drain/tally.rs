//! What servers report to the end of the run.

use std::sync::atomic::{AtomicU64, Ordering};

/// The servers that run, and the requests that they cut.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Each server cuts its own connections at the deadline.
    pub(crate) serving: AtomicU64,
    /// The requests that the service worked on when they were cut.
    pub(crate) worked: AtomicU64,
}

impl Tally {
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire) > 0
    }

    pub(crate) fn worked(&self) -> u64 {
        self.worked.load(Ordering::Acquire)
    }
}
