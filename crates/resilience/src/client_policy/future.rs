//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use super::{
    attempt::AttemptBody,
    attempts::{Attempts, AttemptsFuture},
};
use crate::{BoxError, retry, retry::ReplayBody, timeout::Limit};

/// The body of a guarded response. It forwards frames, trailers, `size_hint` and `is_end_stream`, and
/// holds the call's permit until it ends.
pub type ResponseBody<R> = AttemptBody<R>;

pin_project! {
    /// The response of the last attempt, or the error of the policy that ended the call.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        S: Clone,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes>,
        R: Body<Data = Bytes>,
    {
        #[pin]
        pub(super) call: retry::ResponseFuture<Attempts<S>, B, AttemptBody<R>>,
        pub(super) limit: Option<Limit>,
        // When the limit ends. None until the call has to wait.
        end: Option<Instant>,
        // Boxed: most calls only wait for attempts, which have timers of their own.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    /// A call that has not been sent.
    pub(super) const fn new() -> Self {
        Self { call: retry::ResponseFuture::new(), limit: None, end: None, sleep: None }
    }

    /// Ready when the call's time is over. Called when the call has to wait.
    fn poll_limit(self: Pin<&mut Self>, limit: Limit, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.end.is_none() {
            *this.end = Instant::now().checked_add(limit.time);
        }
        // The limit of an attempt in flight ends no later than the call's.
        let attempt = this.call.attempt.as_ref();
        if attempt.is_some_and(AttemptsFuture::is_limited) {
            return Poll::Pending;
        }
        // A time beyond what tokio's clock can represent never ends.
        let Some(end) = *this.end else { return Poll::Pending };
        this.sleep.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(cx)
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.as_mut().project().call;
        // A single value on every path lets the compiler build it in the caller's return slot.
        let mut polled =
            call.poll_response(cx, |attempt, cx| attempt.poll(cx), ResponseBody::put_back);
        if polled.is_pending()
            && let Some(limit) = self.limit
            && self.as_mut().poll_limit(limit, cx).is_ready()
        {
            // Ended now, because the caller may keep this future after it is ready.
            self.project().call.set(retry::ResponseFuture::new());
            polled = Poll::Ready(Err(limit.error().into()));
        }
        polled
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.map(|limit| limit.time);
        f.debug_struct("ResponseFuture").field("call", &self.call).field("limit", &limit).finish()
    }
}
