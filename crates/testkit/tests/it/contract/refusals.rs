//! Refusals, good ones and bad ones.

use std::{
    error::Error,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use hardpoint_core::{
    Head, HeadFacts, Place, Problem, Refusals, Rejection, ResponseBody, StackLayer,
};
use hardpoint_testkit::{
    contract,
    spy::{Spy, SpyError},
};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use tower_layer::Layer;
use tower_service::Service;

use super::{breaks, request};

#[derive(Clone, Copy, Debug)]
enum Manner {
    AsAnError,
    AskingTheClient,
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
    refusals: Refusals,
}

#[derive(Clone, Debug)]
struct WallLayer {
    manner: Manner,
    refusals: Refusals,
}

impl Layer<Spy> for WallLayer {
    type Service = Wall;

    fn layer(&self, inner: Spy) -> Wall {
        Wall { inner, manner: self.manner, refusals: self.refusals.clone() }
    }
}

impl StackLayer for WallLayer {
    const PLACE: Place = Place::HANDLER;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self }
    }
}

impl<B> Service<Request<B>> for Wall {
    type Response = Response<ResponseBody<hardpoint_testkit::TestBody>>;
    type Error = SpyError;
    type Future = Ready<Result<Self::Response, SpyError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        Service::<Request<B>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let facts = self.refusals.facts(Head::new(&request));
        let refuse = |facts: &HeadFacts| self.refusals.refuse(facts, &Refusal);
        ready(match self.manner {
            Manner::AsAnError => Err(SpyError::new(1)),
            Manner::ByHand => {
                let mut response = Response::new(ResponseBody::full("no".into()));
                *response.status_mut() = StatusCode::FORBIDDEN;
                Ok(response)
            }
            Manner::CallsTheInner => {
                drop(self.inner.call(request));
                Ok(refuse(&facts))
            }
            Manner::AskingTheClient if asks_for_grpc(&request) => {
                Ok(Refusals::new().grpc().refuse(&grpc_facts(&request), &Refusal))
            }
            Manner::AskingTheClient => Ok(refuse(&facts)),
            Manner::IgnoringGrpc => Ok(refuse(&HeadFacts::default())),
            Manner::Properly => Ok(refuse(&facts)),
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
}

fn asks_for_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc")
}

fn grpc_facts<B>(request: &Request<B>) -> HeadFacts {
    Refusals::new().grpc().facts(Head::new(request))
}

fn check(manner: Manner) {
    let layer = WallLayer { manner, refusals: Refusals::new() };
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
        (Manner::AskingTheClient, "a refusal with status 200"),
        (Manner::ByHand, "has no `Refused` in its extensions"),
        (Manner::CallsTheInner, "refused requests that reached the inner service"),
        (Manner::IgnoringGrpc, "status of a gRPC refusal"),
    ] {
        breaks(|| check(manner), message);
    }
}

#[test]
fn a_layer_that_refuses_what_it_should_forward_is_found() {
    let layer = WallLayer { manner: Manner::Properly, refusals: Refusals::new() };
    breaks(
        || contract::readiness_is_asked_of_the_same_instance(&layer, request),
        "requests that reached the inner service: the layer must forward each request",
    );
}
