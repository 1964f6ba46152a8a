//! The future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{attempt::AttemptBody, attempts::Attempts};
use crate::{BoxError, retry, retry::ReplayBody, sleep::LazySleep, timeout::Limit};

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
        // Without an attempt if the deadline had passed before the call.
        #[pin]
        pub(super) call: retry::ResponseFuture<Attempts<S>, B, AttemptBody<R>>,
        limit: Option<Limit>,
        #[pin]
        sleep: LazySleep,
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    /// A call that is yet to be sent.
    pub(super) const fn new() -> Self {
        let sleep = LazySleep::new(Duration::MAX);
        Self { call: retry::ResponseFuture::new(), limit: None, sleep }
    }

    /// Ends the call after this time.
    pub(super) fn limit(&mut self, limit: Limit) {
        self.limit = Some(limit);
        self.sleep = LazySleep::new(limit.time);
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // One value, returned on every path, so the compiler builds it in the caller's place.
        let mut polled =
            this.call.poll_response(cx, |attempt, cx| attempt.poll(cx), ResponseBody::put_back);
        if polled.is_pending()
            && let Some(limit) = *this.limit
            && this.sleep.poll(cx).is_ready()
        {
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
