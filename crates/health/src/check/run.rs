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

/// Runs one check for as long as the task lives.
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
        // `sleep` and not a point in time: it takes durations that no `Instant` can hold.
        let pause = schedule.pause(every, random());
        sleep(pause.saturating_sub(last_start.elapsed())).await;
        last_start = Instant::now();
        let result = attempt(&mut run, limit).await;
        board.record(&tracked, result, last_start.elapsed());
    }
}

/// Runs the check once, for `limit` at most. A panic, in the check or in dropping it, is a failure.
async fn attempt(run: &mut Run, limit: Duration) -> Result<(), Down> {
    let attempt = CatchPanic { inner: async { timeout(limit, run()).await } };
    match attempt.await {
        Some(Ok(result)) => result,
        Some(Err(_elapsed)) => Err(Down::new("timeout")),
        None => Err(Down::new("panicked")),
    }
}

/// Random bits: enough for a spread, and there is no failure to deal with.
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
        // Unwind safe: a future that panicked is dropped and not polled again, and the state that a
        // check shares with others is the check's own to guard.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(payload) => {
                discard(payload);
                Poll::Ready(None)
            }
        }
    }
}

/// Drops what a panic carried. It may be anything, and panic in its turn.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It might go on like that for ever: this one is leaked.
        mem::forget(next);
    }
}
