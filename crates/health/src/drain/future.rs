//! The response future of a counted request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, StatusCode, header::CONNECTION};
use pin_project_lite::pin_project;

use super::{ResponseBody, in_flight::InFlight};

pin_project! {
    /// Resolves to the inner service's response. While the service drains, HTTP/1 responses get
    /// `Connection: close`.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        in_flight: Option<InFlight>,
        has_connection_header: bool,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(
        inner: F,
        in_flight: Option<InFlight>,
        has_connection_header: bool,
    ) -> Self {
        Self { inner, in_flight, has_connection_header }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        // Taken before `?`, so that a failed request leaves the count now and not when its future
        // is dropped.
        let in_flight = this.in_flight.take();
        let mut response = response?;
        let leave = *this.has_connection_header
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
            && in_flight.as_ref().is_some_and(InFlight::is_draining);
        if leave {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, in_flight))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
