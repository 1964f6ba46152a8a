//! What a server reads of its lifecycle's state, and reports to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{board::Board, drain::Tally};

/// The requests that one server cuts while it drains. A connection adds its own when it is dropped.
#[derive(Debug)]
pub(super) struct Report {
    tally: Arc<Tally>,
    /// The requests that waited for nothing but their client.
    waited: AtomicU64,
}

impl Report {
    /// Reports a server that runs until the value is dropped.
    pub(super) fn begin(tally: Arc<Tally>) -> Self {
        tally.serving.fetch_add(1, Ordering::AcqRel);
        Self { tally, waited: AtomicU64::new(0) }
    }

    pub(super) fn cut(&self, worked: u32, waited: u32) {
        self.tally.worked.fetch_add(worked.into(), Ordering::AcqRel);
        self.waited.fetch_add(waited.into(), Ordering::AcqRel);
    }

    pub(super) fn waited(&self) -> u64 {
        self.waited.load(Ordering::Acquire)
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.tally.serving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads with one load whether the drain has begun.
#[derive(Clone, Debug)]
pub(super) struct Draining {
    board: Arc<Board>,
}

impl Draining {
    pub(super) const fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.board.phase().is_draining()
    }
}
