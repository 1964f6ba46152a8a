//! The spy service and its future.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::{
    SpyHandle,
    state::{Answer, Permit, Shared},
};
use crate::TestBody;

/// An observable service for requests with any body type. See the [module docs](super).
///
/// An instance takes a permit when its `poll_ready` returns `Ready`. The call moves the permit into
/// the future. The permit is returned when the future completes or is dropped, or when the instance
/// is dropped before a call. The spy drops the request body without reading it.
pub struct Spy {
    shared: Arc<Shared>,
    permit: Option<Permit>,
}

impl Spy {
    /// Creates a spy that is always ready and answers 200 with the body `ok`, and its handle.
    #[must_use]
    pub fn new() -> (Self, SpyHandle) {
        Self::with_permits(usize::MAX)
    }

    /// Creates a spy that takes `permits` requests at a time. All clones share the permits.
    #[must_use]
    pub fn with_permits(permits: usize) -> (Self, SpyHandle) {
        let shared = Shared::with_permits(permits);
        let handle = SpyHandle::new(Arc::clone(&shared));
        (Self::of(shared), handle)
    }

    /// Creates a spy that records no requests and does not allocate, for measuring the layers
    /// around it. By default it answers 200 with an empty body.
    #[must_use]
    pub fn silent() -> (Self, SpyHandle) {
        let (spy, handle) = Self::new();
        spy.shared.lock().recording = false;
        (spy, handle)
    }

    fn of(shared: Arc<Shared>) -> Self {
        shared.lock().counts.live += 1;
        Self { shared, permit: None }
    }

    fn answer(&self, parts: &Parts) -> Answer {
        let mut state = self.shared.lock();
        state.counts.calls += 1;
        state.counts.in_flight += 1;
        let responder = state.responder.clone();
        let recording = state.recording;
        if recording {
            state.seen.push(parts.clone());
        }
        // The responder may lock the state through the handle.
        drop(state);
        match responder {
            Some(responder) => responder(parts),
            None if recording => Ok(Response::new(TestBody::from("ok"))),
            None => Ok(Response::new(TestBody::default())),
        }
    }

    fn violation(&self) -> ! {
        let text = "an instance was called before its poll_ready returned Ready";
        self.shared.lock().violations.push(text.to_owned());
        panic!("{text}: call the instance that was polled, not a clone of it")
    }
}

impl Clone for Spy {
    /// The clone shares everything except the permit: it is not ready.
    fn clone(&self) -> Self {
        self.shared.lock().counts.clones += 1;
        Self::of(Arc::clone(&self.shared))
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        self.shared.lock().counts.live -= 1;
    }
}

impl fmt::Debug for Spy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spy").field("ready", &self.permit.is_some()).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Spy {
    type Response = Response<TestBody>;
    type Error = SpyError;
    type Future = SpyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        self.shared.lock().counts.polls += 1;
        if self.permit.is_none() {
            match self.shared.poll_permit(cx.waker()) {
                Poll::Ready(permit) => self.permit = Some(permit?),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> SpyFuture {
        let Some(permit) = self.permit.take() else { self.violation() };
        let (parts, _body) = request.into_parts();
        SpyFuture {
            answer: Some(self.answer(&parts)),
            shared: Arc::clone(&self.shared),
            permit: Some(permit),
        }
    }
}

/// The future of a [`Spy`]. It completes at once, unless the handle holds it.
pub struct SpyFuture {
    answer: Option<Answer>,
    shared: Arc<Shared>,
    permit: Option<Permit>,
}

impl Future for SpyFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.shared.lock();
        if state.held {
            state.register(cx.waker());
            return Poll::Pending;
        }
        drop(state);
        let Some(answer) = self.answer.take() else {
            panic!("a future was polled after it completed")
        };
        let mut state = self.shared.lock();
        state.counts.in_flight -= 1;
        state.counts.answered += 1;
        drop(state);
        self.permit = None;
        Poll::Ready(answer)
    }
}

impl Drop for SpyFuture {
    fn drop(&mut self) {
        if self.answer.is_some() {
            let mut state = self.shared.lock();
            state.counts.in_flight -= 1;
            state.counts.cancelled += 1;
        }
    }
}

impl fmt::Debug for SpyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpyFuture").field("done", &self.answer.is_none()).finish_non_exhaustive()
    }
}

/// A numbered error, so that a test can distinguish errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpyError(u64);

impl SpyError {
    /// Creates the error with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SpyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spy error {}", self.0)
    }
}

impl Error for SpyError {}
