//! The service: a thin shell around a circuit.

use std::task::{Context, Poll};

use hardpoint_core::Head;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Circuits, ResponseBody, ResponseFuture, layer::Guard};
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

    // No arm borrows the request: the compiler copies a request that is both borrowed and moved
    // here.
    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match &self.guard {
            Guard::One(circuit) => match circuit.acquire() {
                Ok(permit) => ResponseFuture::call(self.inner.call(request), Some(permit)),
                Err(refused) => ResponseFuture::refuse(refused),
            },
            Guard::Keyed(circuits) => call_by_key(circuits, &mut self.inner, request),
            Guard::Off => ResponseFuture::call(self.inner.call(request), None),
        }
    }
}

#[inline(never)]
fn call_by_key<S, B>(
    circuits: &Circuits,
    inner: &mut S,
    request: Request<B>,
) -> ResponseFuture<S::Future>
where
    S: Service<Request<B>>,
{
    match circuits.acquire_at(Head::new(&request), circuits.now()) {
        Ok(permit) => ResponseFuture::call(inner.call(request), Some(permit)),
        Err(refused) => ResponseFuture::refuse(refused),
    }
}
