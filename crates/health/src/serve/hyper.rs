//! Services of [`hyper::service::Service`].

use std::task::{Context, Poll};

use http::Request;

use super::RequestBody;

/// A [`hyper::service::Service`] as the tower service that
/// [`Server::service`](super::Server::service) takes.
///
/// ```
/// use bytes::Bytes;
/// use hardpoint_health::serve::{RequestBody, hyper::HyperService};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::service::service_fn;
///
/// let service = HyperService::new(service_fn(async |_: Request<RequestBody>| {
///     Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("hello"))))
/// }));
/// # let _ = service;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HyperService<S> {
    inner: S,
}

impl<S> HyperService<S> {
    /// Wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> tower_service::Service<Request<RequestBody>> for HyperService<S>
where
    S: ::hyper::service::Service<Request<RequestBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> S::Future {
        self.inner.call(request)
    }
}
