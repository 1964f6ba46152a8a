//! One request in flight.

use std::sync::Arc;

use crate::board::Board;

/// Counts a request until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    board: Arc<Board>,
}

impl InFlight {
    pub(super) fn enter(board: &Arc<Board>) -> Self {
        board.phase().enter();
        Self { board: Arc::clone(board) }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.board.phase().is_draining()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.board.leave();
    }
}
