//! The tasks of HTTP/2 streams, which hyper spawns.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hyper::rt::Executor;
use tokio::sync::Notify;

/// Spawns the tasks of streams and counts them.
///
/// A stream's task ends by itself when its connection is dropped. The accept loop waits for that,
/// so that the handlers of cut requests are dropped before the process ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    running: AtomicUsize,
    emptied: Notify,
}

impl Streams {
    pub(super) fn running(&self) -> usize {
        self.inner.running.load(Ordering::Acquire)
    }

    /// Resolves when no task runs.
    pub(super) async fn ended(&self) {
        loop {
            // Register before reading, so that no wake-up in between is lost.
            let emptied = self.inner.emptied.notified();
            if self.running() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.inner.running.fetch_add(1, Ordering::Relaxed);
        let running = Running { inner: Arc::clone(&self.inner) };
        tokio::spawn(async move {
            let _running = running;
            drop(future.await);
        });
    }
}

/// A running task.
struct Running {
    inner: Arc<Inner>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.inner.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.emptied.notify_waiters();
        }
    }
}
