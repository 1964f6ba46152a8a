//! A timer that costs nothing unless it is waited for.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Sleeps from its first poll on. Polled only while something else is pending, it registers no timer
/// for a future that is ready at once.
///
/// The time between its creation and the first poll counts as none, so poll it in the same task as
/// soon as the future that it bounds is pending.
pub(crate) struct LazySleep {
    time: Duration,
    // Boxed: each layer further out moves the future that contains it.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazySleep {
    pub(crate) const fn new(time: Duration) -> Self {
        Self { time, sleep: None }
    }
}

impl Future for LazySleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep {
            return sleep.as_mut().poll(cx);
        }
        // A time beyond what tokio's clock can represent never ends.
        let Some(end) = Instant::now().checked_add(self.time) else { return Poll::Pending };
        self.sleep.insert(Box::pin(sleep_until(end))).as_mut().poll(cx)
    }
}
