//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    ReplayBody, ResponseBody,
    body::First,
    builder::Settings,
    course::{Course, Next},
};
use crate::{BoxError, Class, sleep::LazySleep};

pin_project! {
    /// The response of the last attempt.
    ///
    /// Dropping it drops the attempt in flight. A retry that was not sent yet returns to the budget.
    // Not an enum of its states: an attempt that is moved into one is copied twice more.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        // None between two attempts.
        #[pin]
        pub(crate) attempt: Option<S::Future>,
        // `None` during an attempt. Boxed: a call that never pauses pays for neither the timer nor the
        // space.
        pause: Option<Pin<Box<Pause<R>>>>,
        // None if no retry can follow. Declared after the pause: the failed body ends before its
        // retry is refunded.
        pub(crate) course: Option<Course<B>>,
        // A clone for further attempts. None without a course.
        pub(crate) service: Option<S>,
    }
}

pin_project! {
    #[project = PauseProject]
    enum Pause<R> {
        // The first frame of a gRPC response decides whether it failed.
        Peeking { response: Option<Response<R>>, #[pin] wait: LazySleep },
        Waiting { #[pin] sleep: Sleep, failed: Option<R>, room: usize },
        // The service is not ready for the next attempt.
        Readying,
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    /// A call whose first attempt has not been sent. The caller sets the fields in place: moving an
    /// attempt in would copy it.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { attempt: None, pause: None, course: None, service: None }
    }

    #[inline]
    pub(super) const fn once(attempt: S::Future) -> Self {
        Self { attempt: Some(attempt), pause: None, course: None, service: None }
    }

    #[inline]
    pub(super) const fn retrying(attempt: S::Future, course: Course<B>, service: S) -> Self {
        Self { attempt: Some(attempt), pause: None, course: Some(course), service: Some(service) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = |attempt: Pin<&mut S::Future>, cx: &mut Context<'_>| {
            attempt.poll(cx).map_err(Into::into)
        };
        let mut read = None;
        let put_back = |_: &mut R, first| read = Some(first);
        let polled = self.poll_response(cx, poll, put_back);
        polled.map_ok(|response| response.map(|body| ResponseBody::new(body, read)))
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    /// Polls for the response with its inner body. If the first frame was read, gives it to
    /// `put_back`.
    ///
    /// `poll` polls an attempt and boxes its error. An error that is boxed already needs no conversion,
    /// which would copy the response.
    #[inline]
    pub(crate) fn poll_response(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl Fn(Pin<&mut S::Future>, &mut Context<'_>) -> Poll<Result<Response<R>, BoxError>>,
        mut put_back: impl FnMut(&mut R, First<R>),
    ) -> Poll<Result<Response<R>, BoxError>> {
        loop {
            let this = self.as_mut().project();
            if let Some(attempt) = this.attempt.as_pin_mut() {
                // A single value lets the compiler build it in the caller's return slot.
                let polled = poll(attempt, cx);
                let next = match (&polled, this.course) {
                    (Poll::Ready(result), Some(course)) => course.judge_result(result),
                    _ => Next::Return,
                };
                match next {
                    Next::Return => return polled,
                    Next::Peek => self.as_mut().pause(None, polled),
                    Next::Retry(delay) => self.as_mut().pause(Some(delay), polled),
                }
            }
            if let Some(ended) = ready!(self.as_mut().poll_pause(cx, &mut put_back)) {
                return Poll::Ready(ended);
            }
        }
    }

    /// Ends the attempt, and starts the pause after it: the delay before a retry, or none while the
    /// first frame is read.
    #[cold]
    fn pause(
        self: Pin<&mut Self>,
        delay: Option<Duration>,
        polled: Poll<Result<Response<R>, BoxError>>,
    ) {
        let mut this = self.project();
        // Without a course, the result was returned.
        let Some(course) = this.course else { return };
        let Settings { grpc_wait, drain_limit, .. } = *course.settings;
        let response = match polled {
            Poll::Ready(Ok(response)) => Some(response),
            _ => None,
        };
        let pause = match delay {
            None => Pause::Peeking { response, wait: LazySleep::new(grpc_wait) },
            Some(delay) => Pause::waiting(delay, response.map(Response::into_body), drain_limit),
        };
        *this.pause = Some(Box::pin(pause));
        this.attempt.set(None);
    }

    /// Ready with `Some` when the call has ended, and with `None` when the next attempt was sent.
    #[cold]
    fn poll_pause(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut put_back: impl FnMut(&mut R, First<R>),
    ) -> Poll<Option<Result<Response<R>, BoxError>>> {
        let mut this = self.project();
        let (Some(course), Some(pause)) = (this.course.as_mut(), this.pause.as_mut()) else {
            // Only if the caller polls again after `Ready`, which it must not do.
            return Poll::Pending;
        };
        loop {
            match pause.as_mut().project() {
                PauseProject::Peeking { response, wait } => {
                    // `Peeking` holds a response until this returns it.
                    let Some(peeked) = response.as_mut() else { return Poll::Pending };
                    let first = match Pin::new(peeked.body_mut()).poll_frame(cx) {
                        Poll::Ready(first) => Some(first),
                        // A stream may stay silent: its caller gets the head after `grpc_wait`.
                        Poll::Pending => {
                            ready!(wait.poll(cx));
                            None
                        }
                    };
                    let next = match &first {
                        Some(first) => course.judge_first(first.as_ref()),
                        None => course.judge(Class::Success, None),
                    };
                    if let Next::Retry(delay) = next {
                        // The body has ended: nothing is left to read.
                        pause.set(Pause::waiting(delay, None, 0));
                        continue;
                    }
                    if let Some(first) = first.flatten() {
                        put_back(peeked.body_mut(), Box::new(first));
                    }
                    return Poll::Ready(response.take().map(Ok));
                }
                PauseProject::Waiting { sleep, failed, room } => {
                    if let Some(body) = failed
                        && drain(body, room, cx).is_ready()
                    {
                        *failed = None;
                    }
                    ready!(sleep.poll(cx));
                    pause.set(Pause::Readying);
                }
                PauseProject::Readying => {
                    // It was set with the course.
                    let Some(service) = this.service else { return Poll::Pending };
                    ready!(service.poll_ready(cx)).map_err(Into::into)?;
                    this.attempt.set(Some(course.send(service)));
                    *this.pause = None;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl<R> Pause<R> {
    fn waiting(delay: Duration, failed: Option<R>, room: usize) -> Self {
        Self::Waiting { sleep: tokio::time::sleep(delay), failed, room }
    }
}

/// Reads what is left of a failed response. Ready when it has ended, failed, or exceeds `room`.
fn drain<R>(body: &mut R, room: &mut usize, cx: &mut Context<'_>) -> Poll<()>
where
    R: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Poll::Ready(());
    }
    while let Some(Ok(frame)) = ready!(Pin::new(&mut *body).poll_frame(cx)) {
        // Frames without data count too, so that an endless row of them ends.
        let length = frame.data_ref().map_or(0, Bytes::len).max(1);
        match room.checked_sub(length) {
            Some(left) => *room = left,
            None => break,
        }
    }
    Poll::Ready(())
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.pause.as_deref() {
            None => "calling",
            Some(Pause::Peeking { .. }) => "peeking",
            Some(Pause::Waiting { .. }) => "waiting",
            Some(Pause::Readying) => "readying",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("attempt", &self.course.as_ref().map(|course| course.attempt))
            .finish()
    }
}
