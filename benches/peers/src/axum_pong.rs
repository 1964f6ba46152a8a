//! The innermost service of what is measured with peers that take bodies of axum alone.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

/// Answers with a body of the request's kind, of whichever version of axum.
#[derive(Clone, Copy, Debug)]
pub struct AxumPong;

impl<B: From<&'static str>> Service<Request<B>> for AxumPong {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(B::from("pong"))))
    }
}
