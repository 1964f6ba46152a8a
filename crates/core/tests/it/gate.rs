//! A minimal layer that forwards or refuses.

use std::{
    error::Error,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{
    Head, Place, Problem, Refusals, Rejection, ResponseBody, ResponseFuture, StackLayer,
};
use hardpoint_testkit::{Layer, Service};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::WWW_AUTHENTICATE};

/// Refuses requests that carry the header `x-refuse`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateLayer {
    refusals: Refusals,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, refusals: self.refusals.clone() }
    }
}

impl StackLayer for GateLayer {
    const PLACE: Place = Place::HANDLER;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Gate<S> {
    inner: S,
    refusals: Refusals,
}

impl<S> Gate<S> {
    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.headers().contains_key("x-refuse") {
            let facts = self.refusals.facts(Head::new(&request));
            return ResponseFuture::refuse(self.refusals.refuse(&facts, &Closed::default()));
        }
        ResponseFuture::forward(self.inner.call(request))
    }
}

/// A refusal whose parts the test sets.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) problem: Problem,
    pub(crate) challenge: Option<&'static str>,
}

impl Default for Closed {
    fn default() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            problem: Problem::new(status, "gate_closed", "The gate is closed")
                .retry_after(Duration::from_millis(1500)),
            challenge: None,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the gate is closed, and the key hangs under the mat")
    }
}

impl Error for Closed {}

impl Rejection for Closed {
    fn problem(&self) -> Problem {
        self.problem.clone()
    }

    fn headers(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
}
