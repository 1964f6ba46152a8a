//! The service and its future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts, ResponseBody, refuse};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{KeyRefreshLayer, KeysUnavailable, Refreshed, layer::Plan};

/// Looks for a key that a token names and the set has not. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct KeyRefresh<S> {
    inner: S,
    layer: KeyRefreshLayer,
}

impl<S> KeyRefresh<S> {
    pub(super) const fn new(inner: S, layer: KeyRefreshLayer) -> Self {
        Self { inner, layer }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for KeyRefresh<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = RefreshFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let state = match self.layer.plan(request.headers()) {
            Plan::Forward => State::Forward { future: self.inner.call(request) },
            Plan::Refuse => State::Refuse { head: Some(HeadFacts::of(Head::of(&request))) },
            Plan::Refresh { keys, key_id } => {
                // The ready instance waits with the request; a clone takes its place.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let refresh =
                    Box::pin(async move { keys.refresh_for_unknown_key_id(&key_id).await });
                State::Wait { refresh, request: Some(request), inner }
            }
        };
        RefreshFuture { state }
    }
}

pin_project! {
    /// Forwards at once, or when the keys were looked for, or refuses.
    ///
    /// Dropping it while it waits drops the request and the inner instance; the fetch goes on for
    /// others.
    pub struct RefreshFuture<S, ReqB>
    where
        S: Service<Request<ReqB>>,
    {
        #[pin]
        state: State<S, S::Future, ReqB>,
    }
}

type Refresh = Pin<Box<dyn Future<Output = Refreshed> + Send>>;

pin_project! {
    #[project = StateProject]
    enum State<S, F, ReqB> {
        Forward { #[pin] future: F },
        Wait { refresh: Refresh, request: Option<Request<ReqB>>, inner: S },
        Refuse { head: Option<HeadFacts> },
    }
}

impl<S, ReqB, ResB> Future for RefreshFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProject::Forward { future } => {
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProject::Wait { refresh, request, inner } => {
                    let refreshed = ready!(refresh.as_mut().poll(cx));
                    match (refreshed, request.take()) {
                        (Refreshed::Failed, request) => {
                            let head = request.map(|request| HeadFacts::of(Head::of(&request)));
                            State::Refuse { head }
                        }
                        (_, Some(request)) => State::Forward { future: inner.call(request) },
                        // A request is taken once.
                        (_, None) => State::Refuse { head: None },
                    }
                }
                StateProject::Refuse { head } => {
                    tracing::debug!(
                        target: "hardpoint::auth::remote",
                        "refused: the issuer's keys are not there"
                    );
                    let head = head.take().unwrap_or_default();
                    return Poll::Ready(Ok(refuse(&head, &KeysUnavailable::new())));
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqB> fmt::Debug for RefreshFuture<S, ReqB>
where
    S: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Forward { .. } => "forward",
            State::Wait { .. } => "wait",
            State::Refuse { .. } => "refuse",
        };
        f.debug_tuple("RefreshFuture").field(&state).finish()
    }
}
