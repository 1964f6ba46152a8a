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
use tower_service::Service;

use super::service::Attempts;
use crate::{BoxError, bulkhead, circuit_breaker, retry, retry::ReplayBody, timeout};

/// The body of a guarded response. It forwards frames, trailers, `size_hint` and `is_end_stream`, and
/// holds the call's permit until it ends.
pub type ResponseBody<R> = retry::ResponseBody<AttemptBody<R>>;

/// The body of one attempt's response.
type AttemptBody<R> = circuit_breaker::ResponseBody<bulkhead::ResponseBody<R>>;

/// All policies around the inner future, none of them boxed.
type Inner<S, B, R> =
    timeout::ResponseFuture<retry::ResponseFuture<Attempts<S>, B, AttemptBody<R>>>;

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
        inner: Inner<S, B, R>,
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    pub(super) const fn new(inner: Inner<S, B, R>) -> Self {
        Self { inner }
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
        self.project().inner.poll(cx)
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
        self.inner.fmt(f)
    }
}
