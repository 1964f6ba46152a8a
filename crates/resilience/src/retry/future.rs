//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{
    Mono,
    event::{CallRetried, RetryStop},
};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE,
    request::Parts as RequestHead,
};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    ReplayBody, ResponseBody, builder::Settings, plan::Ended, repeat::mark, replay::Replay,
};
use crate::{BoxError, Class, Deadline, RetryBudget, RetryHint, Withdrawal, sleep::LazySleep};

pin_project! {
    /// The response of the last attempt.
    ///
    /// Dropping it drops the attempt in flight. A retry that was not sent yet returns to the budget.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S::Future, R>,
        // None if no retry can follow.
        course: Option<Course<S, B>>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, R> {
        Calling { #[pin] future: F },
        // The first frame of a gRPC response decides whether it failed.
        Peeking { response: Option<Response<R>>, #[pin] wait: LazySleep },
        Waiting { #[pin] sleep: Sleep, failed: Option<R>, room: usize },
        // The service is not ready for the next attempt.
        Readying,
    }
}

/// What is kept for further attempts.
pub(super) struct Course<S, B> {
    settings: Arc<Settings>,
    budget: RetryBudget,
    service: S,
    head: RequestHead,
    replay: Replay<B>,
    attempt: u32,
    repeatable: bool,
    deadline: Option<Mono>,
    /// That of the retry which waits or is in flight.
    withdrawal: Option<Withdrawal>,
}

/// What an attempt ended with, as far as the response's body is not needed.
enum Verdict {
    Retry(Sleep),
    Return,
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[inline]
    pub(super) const fn once(future: S::Future) -> Self {
        Self { state: State::Calling { future }, course: None }
    }

    #[inline]
    pub(super) const fn retrying(future: S::Future, course: Course<S, B>) -> Self {
        Self { state: State::Calling { future }, course: Some(course) }
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.course.is_none()
            && let StateProject::Calling { future } = this.state.as_mut().project()
        {
            // No retry can follow. Polled outside the loop, which moves responses from state to
            // state.
            return future
                .poll(cx)
                .map_ok(|response| response.map(ResponseBody::new))
                .map_err(Into::into);
        }
        loop {
            match this.state.as_mut().project() {
                StateProject::Calling { future } => {
                    // Without a course it was polled above.
                    let Some(course) = this.course.as_mut() else { return Poll::Pending };
                    let result = ready!(future.poll(cx));
                    match result {
                        Ok(response) if course.peeks(&response) => {
                            let wait = LazySleep::new(course.settings.grpc_wait);
                            this.state.set(State::Peeking { response: Some(response), wait });
                        }
                        Ok(response) => match course.judge_response(&response) {
                            Verdict::Retry(sleep) => {
                                let room = course.settings.drain_limit;
                                let failed = Some(response.into_body());
                                this.state.set(State::Waiting { sleep, failed, room });
                            }
                            Verdict::Return => {
                                return Poll::Ready(Ok(response.map(ResponseBody::new)));
                            }
                        },
                        Err(error) => {
                            let error = error.into();
                            match course.judge_error(&error) {
                                Verdict::Retry(sleep) => {
                                    let failed = None;
                                    this.state.set(State::Waiting { sleep, failed, room: 0 });
                                }
                                Verdict::Return => return Poll::Ready(Err(error)),
                            }
                        }
                    }
                }
                StateProject::Peeking { response, wait } => {
                    // `Peeking` holds a response until this returns it, and has a course.
                    let (Some(peeked), Some(course)) = (response.as_mut(), this.course.as_mut())
                    else {
                        return Poll::Pending;
                    };
                    let first = match Pin::new(peeked.body_mut()).poll_frame(cx) {
                        Poll::Ready(first) => Some(first),
                        // A stream may stay silent: its caller gets the head after `grpc_wait`.
                        Poll::Pending => {
                            ready!(wait.poll(cx));
                            None
                        }
                    };
                    let verdict = match &first {
                        Some(first) => course.judge_first(first.as_ref()),
                        None => course.judge(Class::Success, None),
                    };
                    match verdict {
                        Verdict::Retry(sleep) => {
                            // The body has ended: nothing is left to read.
                            this.state.set(State::Waiting { sleep, failed: None, room: 0 });
                        }
                        Verdict::Return => {
                            let Some(response) = response.take() else {
                                return Poll::Pending;
                            };
                            return Poll::Ready(Ok(response.map(|body| match first {
                                Some(first) => ResponseBody::peeked(body, first),
                                None => ResponseBody::new(body),
                            })));
                        }
                    }
                }
                StateProject::Waiting { sleep, failed, room } => {
                    if let Some(body) = failed
                        && drain(body, room, cx).is_ready()
                    {
                        *failed = None;
                    }
                    ready!(sleep.poll(cx));
                    this.state.set(State::Readying);
                }
                StateProject::Readying => {
                    // `Waiting` is only entered with a course.
                    let Some(course) = this.course.as_mut() else {
                        return Poll::Pending;
                    };
                    ready!(course.service.poll_ready(cx)).map_err(Into::into)?;
                    let future = course.send();
                    this.state.set(State::Calling { future });
                }
            }
        }
    }
}

impl<S, B> Course<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[inline]
    pub(super) fn new(
        settings: Arc<Settings>,
        budget: RetryBudget,
        service: S,
        (head, replay): (RequestHead, Replay<B>),
        repeatable: bool,
        deadline: Option<Mono>,
    ) -> Self {
        Self {
            settings,
            budget,
            service,
            head,
            replay,
            attempt: 1,
            repeatable,
            deadline,
            withdrawal: None,
        }
    }

    /// Whether the response's class is in its trailers: those of gRPC, unless its head ends the
    /// stream. After the last attempt the class no longer matters.
    fn peeks<R>(&self, response: &Response<R>) -> bool {
        let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
            && response.status().is_success()
            && !response.headers().contains_key("grpc-status")
            && self.attempt < self.settings.rules.attempts
    }

    fn judge_response<R>(&mut self, response: &Response<R>) -> Verdict {
        self.judge_head(response.status(), response.headers())
    }

    /// Judges a gRPC response by the first frame of its body. A message commits to the response:
    /// the caller may have seen it.
    fn judge_first<E>(&mut self, first: Option<&Result<Frame<Bytes>, E>>) -> Verdict {
        match first {
            Some(Ok(frame)) if let Some(trailers) = frame.trailers_ref() => {
                self.judge_head(StatusCode::OK, trailers)
            }
            _ => self.judge(Class::Success, None),
        }
    }

    fn judge_head(&mut self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        let class = self.settings.classifier.classify_response(status, headers);
        self.judge(class, Some(headers))
    }

    fn judge_error(&mut self, error: &BoxError) -> Verdict {
        let class = self.settings.classifier.classify_error(error.as_ref());
        self.judge(class, None)
    }

    fn judge(&mut self, class: Class, headers: Option<&HeaderMap>) -> Verdict {
        let settings = &*self.settings;
        let withdrawal = self.withdrawal.take();
        match class {
            Class::Success => {
                self.budget.succeeded(withdrawal);
                return Verdict::Return;
            }
            // The retry did not leave this process.
            Class::Shed => {
                if let Some(withdrawal) = withdrawal {
                    withdrawal.refund();
                }
            }
            _ => {}
        }
        let hint =
            headers.and_then(|headers| RetryHint::from_headers(headers, settings.time.unix()));
        let ended = Ended {
            class,
            hint,
            attempt: self.attempt,
            repeatable: self.repeatable,
            now: settings.time.now(),
            deadline: self.deadline,
        };
        // First without the body: stopping it breaks the attempt off, which a response that is
        // returned may still need.
        let decided = settings.rules.decide(ended, &self.budget).and_then(|decided| {
            if self.replay.stop() { Ok(decided) } else { Err(RetryStop::Body) }
        });
        if class.is_failure()
            && let Some(telemetry) = settings.telemetry.get()
        {
            let result = decided.as_ref().map(|_| ()).map_err(|stop| *stop);
            telemetry.on(&CallRetried::new(&settings.name, self.attempt, result).into());
        }
        match decided {
            Ok((delay, withdrawal)) => {
                tracing::debug!(
                    target: "hardpoint::resilience::retry",
                    policy = &*settings.name,
                    class = class.as_str(),
                    attempt = self.attempt,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "attempt failed, retrying"
                );
                self.withdrawal = Some(withdrawal);
                Verdict::Retry(tokio::time::sleep(delay))
            }
            Err(stop) => {
                if class.is_failure() {
                    tracing::debug!(
                        target: "hardpoint::resilience::retry",
                        policy = &*settings.name,
                        class = class.as_str(),
                        attempt = self.attempt,
                        reason = stop.as_str(),
                        "call failed, not retrying"
                    );
                }
                Verdict::Return
            }
        }
    }

    /// Makes the next attempt. The service is ready.
    fn send(&mut self) -> S::Future {
        self.attempt += 1;
        if let Some(withdrawal) = &mut self.withdrawal {
            withdrawal.sent();
        }
        let last = self.attempt >= self.settings.rules.attempts;
        let mut head = if last { empty_head(&mut self.head) } else { self.head.clone() };
        mark(&mut head, self.attempt, self.settings.attempt_header.as_ref());
        if let Some(deadline) = self.deadline {
            // The attempt may have less time than the first one had.
            head.extensions.insert(Deadline::at(deadline));
        }
        self.service.call(Request::from_parts(head, self.replay.body()))
    }
}

/// Takes the head for the last attempt and leaves an empty one.
fn empty_head(head: &mut RequestHead) -> RequestHead {
    let (empty, ()) = Request::new(()).into_parts();
    std::mem::replace(head, empty)
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
        let state = match self.state {
            State::Calling { .. } => "calling",
            State::Peeking { .. } => "peeking",
            State::Waiting { .. } => "waiting",
            State::Readying => "readying",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("attempt", &self.course.as_ref().map(|course| course.attempt))
            .finish()
    }
}
