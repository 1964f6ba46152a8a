//! What a server's connections report to the end of the run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::board::Board;

/// The requests that the drain cut. A connection adds its own when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The servers that run. Each cuts its own connections at the deadline.
    serving: AtomicU64,
    /// The requests that the service worked on.
    worked: AtomicU64,
    /// The requests that waited for nothing but their client.
    waited: AtomicU64,
}

impl Tally {
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire) > 0
    }

    pub(crate) fn worked(&self) -> u64 {
        self.worked.load(Ordering::Acquire)
    }

    #[cfg(feature = "serve")]
    pub(crate) fn waited(&self) -> u64 {
        self.waited.load(Ordering::Acquire)
    }

    #[cfg(feature = "serve")]
    pub(crate) fn cut(&self, worked: u32, waited: u32) {
        self.worked.fetch_add(worked.into(), Ordering::AcqRel);
        self.waited.fetch_add(waited.into(), Ordering::AcqRel);
    }

    #[cfg(feature = "serve")]
    pub(crate) fn serve(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Ordering::AcqRel);
        Serving { tally: Arc::clone(self) }
    }
}

/// A server that runs until this is dropped.
#[cfg(feature = "serve")]
pub(crate) struct Serving {
    tally: Arc<Tally>,
}

#[cfg(feature = "serve")]
impl Drop for Serving {
    fn drop(&mut self) {
        self.tally.serving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells whether the drain has begun, with one load.
#[cfg(feature = "serve")]
#[derive(Clone, Debug)]
pub(crate) struct Draining {
    board: Arc<Board>,
}

#[cfg(feature = "serve")]
impl Draining {
    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.board.phase().is_draining()
    }
}
