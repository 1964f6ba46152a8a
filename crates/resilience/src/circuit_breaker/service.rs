//! The service: a thin shell around a circuit.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, layer::Guard};
use crate::BoxError;

/// Refuses calls to a destination that fails. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct CircuitBreaker<S> {
    // A clone asks its own inner service for readiness: this service holds none.
    inner: S,
    guard: Guard,
}

impl<S> CircuitBreaker<S> {
    pub(super) const fn new(inner: S, guard: Guard) -> Self {
        Self { inner, guard }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CircuitBreaker<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    /// Forwards the inner service's readiness. An open circuit is ready, and refuses in `call`: an
    /// error here would end a buffer or a pool for a reason that passes.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let permit = match self.guard.acquire(&request) {
            Ok(permit) => permit,
            Err(refused) => return ResponseFuture::refuse(refused),
        };
        ResponseFuture::call(self.inner.call(request), permit)
    }
}
