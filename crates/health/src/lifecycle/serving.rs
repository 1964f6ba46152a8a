//! What a [`Server`](crate::serve::Server) needs of its lifecycle.

use std::{sync::Arc, time::Duration};

use super::Lifecycle;
use crate::drain::Tally;

/// The part of the deadline, as a divisor, after which a request that waits only for its client is
/// closed.
const CLIENT_SHARE: u32 = 2;

impl Lifecycle {
    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.inner.tally
    }

    /// Resolves when listeners should accept the connections in the kernel's queue and close.
    pub(crate) async fn close_listeners(&self) {
        self.board().drained_for(self.inner.plan.delay).await;
    }

    /// Resolves when the connections that are left should be dropped.
    pub(crate) async fn cut(&self) {
        self.board().drained_for(self.inner.plan.cut_after()).await;
    }

    /// How long a closing listener may keep accepting connections from the kernel's queue: half the
    /// settle time, which leaves the other half to the last connection.
    pub(crate) fn take_in_for(&self) -> Duration {
        self.inner.plan.settle / 2
    }

    pub(crate) fn settle(&self) -> Duration {
        self.inner.plan.settle
    }

    /// How long a request may wait for its client after the settle time.
    pub(crate) fn client_share(&self) -> Duration {
        (self.inner.plan.deadline / CLIENT_SHARE).saturating_sub(self.inner.plan.settle)
    }
}
