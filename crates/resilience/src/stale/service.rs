//! The service.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, StaleCopies, future::Stake};
use crate::BoxError;

/// Serves the last good response in place of a failure. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Stale<S> {
    inner: S,
    copies: Option<StaleCopies>,
}

impl<S> Stale<S> {
    pub(super) const fn new(inner: S, copies: Option<StaleCopies>) -> Self {
        Self { inner, copies }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Stale<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let stake = self.copies.as_ref().and_then(|copies| Stake::new(&copies.shared, &request));
        ResponseFuture::new(self.inner.call(request), stake)
    }
}
