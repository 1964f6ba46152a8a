//! The work at the end of a run.

use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::{debug, error};

type BoxError = Box<dyn Error + Send + Sync>;
type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send>;

/// A named piece of work with a deadline.
pub(super) struct Hook {
    name: &'static str,
    within: Duration,
    work: Work,
}

impl Hook {
    pub(super) fn new<F, R, E>(name: &'static str, within: Duration, work: F) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let work: Work = Box::new(move || {
            let work = work();
            Box::pin(async move { work.await.map_err(Into::into) })
        });
        Self { name, within, work }
    }

    pub(super) const fn within(&self) -> Duration {
        self.within
    }

    /// Runs the hook. Returns `false` if it fails, panics or takes too long.
    async fn run(self) -> bool {
        let Self { name, within, work } = self;
        // A task of its own, which also calls the closure: a panic ends the hook and not the run.
        let task = tokio::spawn(async move { work().await });
        let abort = task.abort_handle();
        let error: BoxError = match timeout(within, task).await {
            Ok(Ok(Ok(()))) => {
                debug!(target: "hardpoint::health::lifecycle", hook = name, "hook has run");
                return true;
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(panicked)) => panicked.into(),
            Err(elapsed) => {
                abort.abort();
                elapsed.into()
            }
        };
        let error: &(dyn Error + 'static) = &*error;
        error!(target: "hardpoint::health::lifecycle", hook = name, error, "hook failed");
        false
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).field("within", &self.within).finish()
    }
}

/// Runs `hooks` one after another, also after one that failed. Returns whether none failed.
pub(super) async fn run_all(hooks: Vec<Hook>) -> bool {
    let mut passed = true;
    for hook in hooks {
        passed &= hook.run().await;
    }
    passed
}

/// Writes the lines that are still queued before the process exits.
#[derive(Clone)]
pub(super) struct Flush(Arc<dyn Fn(Duration) -> bool + Send + Sync>);

impl Flush {
    pub(super) fn new(flush: impl Fn(Duration) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(flush))
    }

    pub(super) fn run(&self, within: Duration) {
        // A line that could not be written cannot be reported either.
        let _ = (self.0)(within);
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flush")
    }
}
