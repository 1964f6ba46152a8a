//! Refusals, good ones and bad ones.

use std::{
    error::Error,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use hardpoint_core::{GrpcCode, Head, HeadFacts, Problem, Rejection, ResponseBody, refuse};
use hardpoint_testkit::{
    contract,
    spy::{Spy, SpyError},
};
use http::{Request, Response, StatusCode};
use tower_layer::layer_fn;
use tower_service::Service;

use super::{breaks, request};

#[derive(Clone, Copy, Debug)]
enum Manner {
    AsAnError,
    ByHand,
    CallsTheInner,
    IgnoringGrpc,
    Properly,
}

/// Refuses everything.
#[derive(Clone, Debug)]
struct Wall {
    inner: Spy,
    manner: Manner,
}

impl<B> Service<Request<B>> for Wall {
    type Response = Response<ResponseBody<hardpoint_testkit::TestBody>>;
    type Error = SpyError;
    type Future = Ready<Result<Self::Response, SpyError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        Service::<Request<B>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let facts = HeadFacts::of(Head::of(&request));
        ready(match self.manner {
            Manner::AsAnError => Err(SpyError::new(1)),
            Manner::ByHand => {
                let mut response = Response::new(ResponseBody::full("no".into()));
                *response.status_mut() = StatusCode::FORBIDDEN;
                Ok(response)
            }
            Manner::CallsTheInner => {
                drop(self.inner.call(request));
                Ok(refuse(&facts, &Refusal))
            }
            Manner::IgnoringGrpc => Ok(refuse(&HeadFacts::default(), &Refusal)),
            Manner::Properly => Ok(refuse(&facts, &Refusal)),
        })
    }
}

#[derive(Debug)]
struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wall stands")
    }
}

impl Error for Refusal {}

impl Rejection for Refusal {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "wall", "There is a wall")
    }

    fn grpc_code(&self) -> GrpcCode {
        GrpcCode::PermissionDenied
    }
}

fn check(manner: Manner) {
    let layer = layer_fn(move |inner| Wall { inner, manner });
    contract::refusals_are_responses(&layer, request);
}

#[test]
fn a_refusal_that_core_renders_passes() {
    check(Manner::Properly);
}

#[test]
fn refusals_of_other_kinds_are_found() {
    for (manner, message) in [
        (Manner::AsAnError, "a refusal is a response, not an error"),
        (Manner::ByHand, "without `Refused` in its extensions"),
        (Manner::CallsTheInner, "refused requests that reached the inner service"),
        (Manner::IgnoringGrpc, "status of a gRPC refusal"),
    ] {
        breaks(|| check(manner), message);
    }
}

#[test]
fn a_layer_that_refuses_what_it_should_forward_is_found() {
    let layer = layer_fn(|inner| Wall { inner, manner: Manner::Properly });
    breaks(
        || contract::readiness_is_asked_of_the_same_instance(&layer, request),
        "requests that reached the inner service: the contract needs ones that the layer forwards",
    );
}
