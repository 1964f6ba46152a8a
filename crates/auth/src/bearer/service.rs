//! The service and its future: a thin shell around the authenticators.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts, Rejection, ResponseBody};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Attempt, Authenticating, layer::Shared};
use crate::{AuthRejection, VerifyErrorKind};

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
            let state = State::Forward { future: self.inner.call(request) };
            return ResponseFuture { state, shared: None };
        };
        let answer = match shared.attempt(&mut request) {
            None => Ok(()),
            Some(Attempt::Now(answer)) => {
                answer.and_then(|identity| shared.admit(&mut request, identity))
            }
            Some(Attempt::Later(attempt)) => {
                // The ready instance waits with the request; a clone takes its place.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let state = State::Wait { attempt, waiting: Some((request, inner)) };
                return ResponseFuture { state, shared: Some(Arc::clone(shared)) };
            }
            Some(Attempt::NotMine) => {
                Err(Box::new(AuthRejection::InvalidToken(VerifyErrorKind::Malformed.into())) as _)
            }
        };
        let state = match answer {
            Ok(()) => State::Forward { future: self.inner.call(request) },
            Err(rejection) => {
                State::Refuse { facts: shared.refusals.facts(Head::new(&request)), rejection }
            }
        };
        ResponseFuture { state, shared: Some(Arc::clone(shared)) }
    }
}

pin_project! {
    /// Forwards, waits for an authenticator, or refuses.
    ///
    /// While it waits it holds the request and the ready inner service; dropping it drops both.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        shared: Option<Arc<Shared>>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, F, B> {
        Forward { #[pin] future: F },
        Wait { attempt: Authenticating, waiting: Option<(Request<B>, S)> },
        Refuse { facts: HeadFacts, rejection: Box<dyn Rejection> },
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match (this.state.as_mut().project(), this.shared.as_deref()) {
                (StateProject::Forward { future }, shared) => {
                    let mut response = ready!(future.poll(cx))?;
                    if let Some(shared) = shared {
                        shared.challenge(&mut response);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                (StateProject::Wait { attempt, waiting }, Some(shared)) => {
                    let answer = ready!(attempt.as_mut().poll(cx));
                    let Some((mut request, mut inner)) = waiting.take() else {
                        return Poll::Pending;
                    };
                    match answer.and_then(|identity| shared.admit(&mut request, identity)) {
                        Ok(()) => State::Forward { future: inner.call(request) },
                        Err(rejection) => State::Refuse {
                            facts: shared.refusals.facts(Head::new(&request)),
                            rejection,
                        },
                    }
                }
                (StateProject::Refuse { facts, rejection }, Some(shared)) => {
                    let mut response = shared.refusals.refuse(facts, &**rejection);
                    shared.challenge(&mut response);
                    return Poll::Ready(Ok(response));
                }
                // Only a layer that is on waits or refuses.
                (_, None) => return Poll::Pending,
            };
            this.state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Forward { .. } => "forward",
            State::Wait { .. } => "wait",
            State::Refuse { .. } => "refuse",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
