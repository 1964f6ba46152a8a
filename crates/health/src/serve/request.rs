//! The body of a request.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    pace::{Pace, PaceLimits},
    state::BodyState,
};

/// The body of a request to a [`Server`](super::Server), which fails if the client sends it too
/// slowly.
///
/// The limits hold until the response begins. From then on, the two sides talk: a stream of gRPC
/// messages may pause for as long as it likes.
pub struct RequestBody {
    inner: Incoming,
    /// `None` for a body without bytes, and after an error.
    paced: Option<Paced>,
    failed: bool,
}

struct Paced {
    state: Arc<BodyState>,
    limits: PaceLimits,
    pace: Pace,
    waits: bool,
    /// Set at the first wait: most bodies arrive with their head.
    timer: Option<Timer>,
}

struct Timer {
    born: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, state: Option<&Arc<BodyState>>, limits: PaceLimits) -> Self {
        let paced = state.map(|state| Paced {
            state: Arc::clone(state),
            limits,
            pace: Pace::default(),
            waits: false,
            timer: None,
        });
        Self { inner, paced, failed: false }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let Some(paced) = &mut self.paced else {
            return polled.map_err(|error| BodyError { source: Some(error) });
        };
        let Poll::Ready(frame) = polled else {
            ready!(paced.poll_patience(cx));
            self.failed = true;
            self.paced = None;
            return Poll::Ready(Some(Err(BodyError { source: None })));
        };
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        paced.go_on(bytes);
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError { source: Some(error) })))
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Paced {
    /// The client has sent `bytes` bytes or the end of the body.
    fn go_on(&mut self, bytes: usize) {
        let born = self.timer.as_ref().map(|timer| timer.born);
        let now = || born.map_or(Duration::ZERO, |born| born.elapsed());
        self.pace.progress(u64::try_from(bytes).unwrap_or(u64::MAX), now);
        if self.waits {
            self.waits = false;
            self.state.go_on_with_body();
        }
    }

    /// Resolves when the client has had its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waits {
            self.waits = true;
            self.state.wait_for_body();
        }
        if self.state.has_responded() {
            return Poll::Pending;
        }
        let now = Instant::now();
        let timer = self
            .timer
            .get_or_insert_with(|| Timer { born: now, sleep: Box::pin(sleep_until(now)) });
        let until = self.pace.wait(now.duration_since(timer.born), self.limits);
        let until = timer.born.checked_add(until);
        let Some(until) = until else { return Poll::Pending };
        if timer.sleep.deadline() != until {
            timer.sleep.as_mut().reset(until);
        }
        ready!(timer.sleep.as_mut().poll(cx));
        // The response may have begun while the timer ran.
        if self.state.set_too_slow() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        if self.waits {
            self.state.go_on_with_body();
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// The body of a request could not be read: the client sent it too slowly or incompletely, or
/// closed the connection.
#[derive(Debug)]
pub struct BodyError {
    /// `None` if the client was too slow.
    source: Option<hyper::Error>,
}

impl BodyError {
    /// Whether the client sent the body too slowly. The server then responds with 408 in place
    /// of the handler's response.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "the request body could not be read",
            None => "the client sent the request body too slowly",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
