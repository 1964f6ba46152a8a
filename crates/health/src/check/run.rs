//! The task that runs one check.

use std::{
    any::Any,
    collections::hash_map::RandomState,
    hash::BuildHasher,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep, timeout};

use super::{Down, Run, Tracked, schedule::Schedule};
use crate::board::Board;

/// Runs one check until the task is aborted.
pub(crate) async fn run_for_ever(
    board: Arc<Board>,
    tracked: Arc<Tracked>,
    every: Duration,
    limit: Duration,
    mut run: Run,
) {
    let mut schedule = Schedule::First;
    let mut last_start = Instant::now();
    loop {
        // `sleep` instead of `sleep_until`: an `Instant` cannot hold the longest durations.
        let pause = schedule.pause(every, random());
        sleep(pause.saturating_sub(last_start.elapsed())).await;
        last_start = Instant::now();
        let result = attempt(&mut run, limit).await;
        board.record(&tracked, result, last_start.elapsed());
    }
}

/// Runs the check once, for at most `limit`. A panic in the check or in its destructor is a
/// failure.
async fn attempt(run: &mut Run, limit: Duration) -> Result<(), Down> {
    let attempt = CatchPanic { inner: async { timeout(limit, run()).await } };
    match attempt.await {
        Some(Ok(result)) => result,
        Some(Err(_elapsed)) => Err(Down::new("timeout")),
        None => Err(Down::new("panicked")),
    }
}

/// Returns random bits. `RandomState` is good enough to spread the runs, and it cannot fail.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

pin_project! {
    /// Resolves to `None` if the inner future panics.
    struct CatchPanic<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        // Unwind safe: after a panic the future is dropped and never polled again. State that the
        // check shares with other code is the check's responsibility.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(payload) => {
                discard(payload);
                Poll::Ready(None)
            }
        }
    }
}

/// Drops the payload of a panic. Its destructor may panic too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The payload of that panic could panic again, and so on: leak it.
        mem::forget(next);
    }
}
