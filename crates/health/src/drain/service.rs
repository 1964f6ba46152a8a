//! The layer and its service.

use std::task::{Context, Poll};

use hardpoint_core::{Place, StackLayer};
use http::{Request, Response, Version};
use tower_layer::Layer;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, in_flight::InFlight};
use crate::Lifecycle;

/// Counts the requests in flight and closes client connections while the service drains. See the
/// [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied to a service"]
pub struct DrainLayer {
    lifecycle: Option<Lifecycle>,
}

impl DrainLayer {
    /// Creates a layer that counts requests for `lifecycle`.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: Some(lifecycle.clone()) }
    }

    /// Creates a layer of the same type that does nothing.
    pub const fn off() -> Self {
        Self { lifecycle: None }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Drain<S> {
        Drain { inner, lifecycle: self.lifecycle.clone() }
    }
}

impl StackLayer for DrainLayer {
    const PLACE: Place = Place::DRAIN;
}

/// The service of a [`DrainLayer`].
#[derive(Clone, Debug)]
pub struct Drain<S> {
    inner: S,
    lifecycle: Option<Lifecycle>,
}

impl<S> Drain<S> {
    /// Creates a service that counts requests for `lifecycle`.
    pub fn new(inner: S, lifecycle: &Lifecycle) -> Self {
        DrainLayer::new(lifecycle).layer(inner)
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Drain<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let in_flight = self.lifecycle.as_ref().map(|lifecycle| InFlight::enter(lifecycle.board()));
        let has_connection_header = request.version() <= Version::HTTP_11;
        ResponseFuture::new(self.inner.call(request), in_flight, has_connection_header)
    }
}
