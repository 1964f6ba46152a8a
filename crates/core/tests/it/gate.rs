//! The smallest layer that forwards or refuses: all that a test of core's parts needs.

use std::{
    error::Error,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{
    GrpcCode, Head, HeadFacts, Problem, Rejection, ResponseBody, ResponseFuture, refuse,
};
use hardpoint_testkit::{Layer, Service};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::WWW_AUTHENTICATE};

/// Refuses requests that carry the header `x-refuse`.
#[derive(Clone, Debug)]
pub(crate) struct GateLayer;

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Gate<S> {
    inner: S,
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
            let facts = HeadFacts::of(Head::of(&request));
            return ResponseFuture::refuse(refuse(&facts, &Closed::default()));
        }
        ResponseFuture::forward(self.inner.call(request))
    }
}

/// A refusal with whatever a test wants in it.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) problem: Problem,
    pub(crate) code: GrpcCode,
    pub(crate) challenge: Option<&'static str>,
}

impl Default for Closed {
    fn default() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            problem: Problem::new(status, "gate_closed", "The gate is closed")
                .retry_after(Duration::from_millis(1500)),
            code: GrpcCode::Unavailable,
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

    fn grpc_code(&self) -> GrpcCode {
        self.code
    }

    fn headers(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
}
