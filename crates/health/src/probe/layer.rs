//! Probes on the public listener.

use std::task::{Context, Poll};

use hardpoint_core::{Head, Place, Refusals, ResponseBody, ResponseFuture, StackLayer};
use http::{HeaderValue, Method, Request, Response, Version, header::CONNECTION};
use tower_layer::Layer;
use tower_service::Service;

use super::{answer::Answer, rejection::MethodNotAllowed};
use crate::Lifecycle;

/// Answers `/livez` and `/readyz` and forwards all other requests. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied to a service"]
pub struct ProbeLayer {
    lifecycle: Option<Lifecycle>,
    refusals: Refusals,
}

impl ProbeLayer {
    /// Creates a layer that answers for `lifecycle`.
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self { lifecycle: Some(lifecycle.clone()), refusals: Refusals::unset() }
    }

    /// Creates a layer of the same type that forwards every request.
    pub const fn off() -> Self {
        Self { lifecycle: None, refusals: Refusals::unset() }
    }

    /// Sets how a 405 is rendered. Default: the stack's setting, or else a problem.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self }
    }
}

impl StackLayer for ProbeLayer {
    const PLACE: Place = Place::PROBES;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.or(refusals), ..self }
    }
}

impl<S> Layer<S> for ProbeLayer {
    type Service = Probe<S>;

    fn layer(&self, inner: S) -> Probe<S> {
        Probe { inner, lifecycle: self.lifecycle.clone(), refusals: self.refusals.clone() }
    }
}

/// The service of a [`ProbeLayer`].
#[derive(Clone, Debug)]
pub struct Probe<S> {
    inner: S,
    lifecycle: Option<Lifecycle>,
    refusals: Refusals,
}

impl<S> Probe<S> {
    /// Creates a service that answers for `lifecycle` and forwards other requests to `inner`.
    pub fn new(inner: S, lifecycle: &Lifecycle) -> Self {
        ProbeLayer::new(lifecycle).layer(inner)
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Probe<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let answer = self
            .lifecycle
            .as_ref()
            .and_then(|lifecycle| answer(lifecycle, &self.refusals, &request));
        match answer {
            Some(response) => ResponseFuture::refuse(response),
            None => ResponseFuture::forward(self.inner.call(request)),
        }
    }
}

/// The response to a probe, or `None` for any other request.
fn answer<ReqB, ResB>(
    lifecycle: &Lifecycle,
    refusals: &Refusals,
    request: &Request<ReqB>,
) -> Option<Response<ResponseBody<ResB>>> {
    let board = lifecycle.board();
    let readiness = match request.uri().path() {
        "/livez" => false,
        "/readyz" => true,
        _ => return None,
    };
    let mut response = if !is_read(request.method()) {
        method_not_allowed(refusals, request)
    } else if readiness {
        Answer::readiness(board).response(request.method())
    } else {
        Answer::liveness(board).response(request.method())
    };
    // As the drain layer does: probes do not pass through it.
    if request.version() <= Version::HTTP_11 && board.phase().is_draining() {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

/// Whether probes answer this method.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The 405 response to any other method.
pub(super) fn method_not_allowed<ReqB, ResB>(
    refusals: &Refusals,
    request: &Request<ReqB>,
) -> Response<ResponseBody<ResB>> {
    refusals.refuse(&refusals.facts(Head::new(request)), &MethodNotAllowed)
}
