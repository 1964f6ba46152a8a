//! Work in flight: a request, or what the application counts itself.

use std::{fmt, sync::Arc};

use crate::board::Board;

/// Keeps a drain waiting until it is dropped. Created by
/// [`Lifecycle::hold`](crate::Lifecycle::hold).
#[must_use = "a drain waits only while the guard lives"]
pub struct InFlight {
    board: Arc<Board>,
}

impl InFlight {
    pub(crate) fn enter(board: &Arc<Board>) -> Self {
        board.phase().enter();
        Self { board: Arc::clone(board) }
    }

    /// Returns whether the drain has begun, and the work should end soon.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.board.phase().is_draining()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.board.leave();
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}
