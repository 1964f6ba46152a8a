//! The answer to one command.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use crate::{Error, ErrorKind, Value};

pin_project! {
    /// The answer to a command that was submitted. A [`Future`] that ends by the deadline, with the
    /// answer or with an [`Error`].
    ///
    /// The command was submitted before this value existed: dropping it gives up the answer, never
    /// the command. It waits for the link and a timer only, neither for a connection nor for a lock,
    /// and must be polled within a tokio runtime that has its timer enabled.
    #[must_use = "the answer may be an error"]
    pub struct Reply {
        source: Source,
        deadline: Instant,
        #[pin]
        timer: Option<Sleep>,
    }
}

enum Source {
    /// The link refused the command, or the answer was taken.
    Failed(Option<Error>),
    Waiting(oneshot::Receiver<Result<Value, Error>>),
}

impl Reply {
    pub(crate) fn waiting(
        answer: oneshot::Receiver<Result<Value, Error>>,
        deadline: Instant,
    ) -> Self {
        Self { source: Source::Waiting(answer), deadline, timer: None }
    }

    pub(crate) fn failed(error: Error, now: Instant) -> Self {
        Self { source: Source::Failed(Some(error)), deadline: now, timer: None }
    }

    /// The error, if the link refused the command at once: it is down, or its queue is full. The
    /// command was not sent.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        match &self.source {
            Source::Failed(error) => error.as_ref(),
            Source::Waiting(_) => None,
        }
    }
}

impl Future for Reply {
    type Output = Result<Value, Error>;

    /// # Panics
    /// If it is polled after it was ready, or outside of a tokio runtime with a timer.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = match this.source {
            Source::Failed(error) => {
                #[expect(clippy::expect_used, reason = "the contract of `Future::poll`")]
                let error = error.take().expect("a reply is not polled after it was ready");
                return Poll::Ready(Err(error));
            }
            Source::Waiting(answer) => answer,
        };
        // The answer goes first: one that is there is taken even if the task was woken late.
        if let Poll::Ready(answer) = Pin::new(answer).poll(cx) {
            *this.source = Source::Failed(None);
            // The link ended, with its runtime: the command may have been on its way.
            return Poll::Ready(
                answer.unwrap_or_else(|_| Err(Error::unavailable().possibly_sent())),
            );
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(*this.deadline)));
        }
        if let Some(timer) = this.timer.as_pin_mut() {
            ready!(timer.poll(cx));
        }
        *this.source = Source::Failed(None);
        Poll::Ready(Err(Error::new(ErrorKind::Timeout).possibly_sent()))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("refused", &self.refused()).finish_non_exhaustive()
    }
}
