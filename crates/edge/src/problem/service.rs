//! The service.

use std::task::{Context, Poll};

use bytes::Bytes;
use hardpoint_core::{Head, Refusals, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, replace::Render};

/// Converts error responses into problems. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct MapProblems<S> {
    inner: S,
    refusals: Option<Refusals>,
    explain: bool,
}

impl<S> MapProblems<S> {
    pub(super) fn new(inner: S, refusals: Option<Refusals>, explain: bool) -> Self {
        Self { inner, refusals, explain }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for MapProblems<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let render = self.refusals.clone().map(|refusals| {
            let facts = refusals.facts(Head::new(&request));
            Render { refusals, facts, explain: self.explain }
        });
        ResponseFuture::new(self.inner.call(request), render)
    }
}
