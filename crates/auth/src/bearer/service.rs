//! The service: a thin shell around the authenticators.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    Attempt,
    future::{ResponseFuture, State},
    layer::Shared,
};
use crate::AuthRejection;

/// Authenticates the caller of each request. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    shared: Option<Arc<Shared>>,
}

impl<S> Auth<S> {
    pub(super) fn new(inner: S, shared: Option<Arc<Shared>>) -> Self {
        Self { inner, shared }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Auth<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let Some(shared) = &self.shared else {
            return ResponseFuture::new(State::Forward { future: self.inner.call(request) }, None);
        };
        let answer = match shared.attempt(request.headers_mut()) {
            None => Ok(()),
            Some(Attempt::Now(answer)) => {
                answer.and_then(|identity| shared.admit(&mut request, identity))
            }
            Some(Attempt::Later(attempt)) => {
                // The ready instance waits with the request; a clone takes its place.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let state = State::Wait { attempt, waiting: Some((request, inner)) };
                return ResponseFuture::new(state, Some(Arc::clone(shared)));
            }
            // `attempt` asked until one took the credential.
            Some(Attempt::NotMine) => Err(Box::new(AuthRejection::NotAuthenticated) as _),
        };
        let state = match answer {
            Ok(()) => State::Forward { future: self.inner.call(request) },
            Err(rejection) => {
                State::Refuse { facts: shared.refusals.facts(Head::new(&request)), rejection }
            }
        };
        ResponseFuture::new(state, Some(Arc::clone(shared)))
    }
}
