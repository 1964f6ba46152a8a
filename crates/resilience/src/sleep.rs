//! A timer that costs nothing unless it is waited for.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Sleeps from its first poll on. Polled only while something else is pending, it registers no
    /// timer for a future that is ready at once.
    ///
    /// The time between its creation and the first poll counts as none, so poll it in the same task
    /// as soon as the future that it bounds is pending.
    pub(crate) struct LazySleep {
        time: Duration,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl LazySleep {
    pub(crate) const fn new(time: Duration) -> Self {
        Self { time, sleep: None }
    }
}

impl Future for LazySleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            // A time beyond what tokio's clock can represent never ends.
            let Some(end) = Instant::now().checked_add(*this.time) else {
                return Poll::Pending;
            };
            this.sleep.set(Some(sleep_until(end)));
        }
        match this.sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(cx),
            None => Poll::Pending,
        }
    }
}
