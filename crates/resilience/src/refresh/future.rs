//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    RefreshFailed,
    state::{BoxFuture, Credential, State as Shared},
};
use crate::{
    BoxError,
    retry::{Replay, ReplayBody},
};

pin_project! {
    /// The response, after a refresh of the credential if it was refused.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S, B, R, S::Future>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, B, R, F> {
        // Boxed, as are refreshes: they await the user's function.
        Fetching {
            credential: BoxFuture<Result<Credential, RefreshFailed>>,
            call: Option<(S, Prepared<S, B>)>,
        },
        // `again` is None if the response is final.
        Calling { #[pin] future: F, again: Option<(Credential, Again<S, B>)> },
        Refreshing {
            credential: BoxFuture<Option<Credential>>,
            refused: Option<Response<R>>,
            again: Option<Again<S, B>>,
        },
        Readying { credential: Credential, again: Again<S, B> },
    }
}

/// A request without its credential, and what sends it again.
pub(super) struct Prepared<S, B> {
    pub(super) request: Request<ReplayBody<B>>,
    pub(super) again: Again<S, B>,
}

/// What is kept to send a call again.
pub(super) struct Again<S, B> {
    shared: Arc<Shared>,
    service: S,
    head: Parts,
    /// None if the body is too long.
    replay: Option<Replay<B>>,
}

impl<S, B> Again<S, B> {
    pub(super) const fn new(
        shared: Arc<Shared>,
        service: S,
        head: Parts,
        replay: Option<Replay<B>>,
    ) -> Self {
        Self { shared, service, head, replay }
    }

    fn authorize(&self, request: &mut Request<ReplayBody<B>>, credential: &Credential) {
        request.headers_mut().insert(&self.shared.settings.header, credential.value.clone());
    }
}

impl<S, B> Prepared<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    /// Makes the first attempt with a service that is ready.
    pub(super) fn call<R>(
        self,
        service: &mut S,
        credential: Credential,
    ) -> ResponseFuture<S, B, R> {
        let Self { mut request, again } = self;
        again.authorize(&mut request, &credential);
        let future = service.call(request);
        ResponseFuture { state: State::Calling { future, again: Some((credential, again)) } }
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(super) fn forward(future: S::Future) -> Self {
        Self { state: State::Calling { future, again: None } }
    }

    pub(super) fn fetch(
        credential: impl Future<Output = Result<Credential, RefreshFailed>> + Send + 'static,
        ready: S,
        prepared: Prepared<S, B>,
    ) -> Self {
        let credential = Box::pin(credential);
        Self { state: State::Fetching { credential, call: Some((ready, prepared)) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProject::Fetching { credential, call } => {
                    let credential = ready!(credential.as_mut().poll(cx))?;
                    // Absent only if the caller polls again after `Ready`.
                    let Some((mut ready, prepared)) = call.take() else { return Poll::Pending };
                    prepared.call(&mut ready, credential).state
                }
                StateProject::Calling { future, again } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if response.status() != StatusCode::UNAUTHORIZED {
                        return Poll::Ready(Ok(response));
                    }
                    let Some((refused, again)) = again.take() else {
                        return Poll::Ready(Ok(response));
                    };
                    let credential = Box::pin(Arc::clone(&again.shared).after(refused));
                    let (refused, again) = (Some(response), Some(again));
                    State::Refreshing { credential, refused, again }
                }
                StateProject::Refreshing { credential, refused, again } => {
                    let credential = ready!(credential.as_mut().poll(cx));
                    let (Some(refused), Some(again)) = (refused.take(), again.take()) else {
                        return Poll::Pending;
                    };
                    // Stopped only for another attempt: the client may still send the body of a
                    // response that is returned.
                    match credential {
                        Some(credential) if again.replay.as_ref().is_some_and(Replay::stop) => {
                            State::Readying { credential, again }
                        }
                        _ => return Poll::Ready(Ok(refused)),
                    }
                }
                StateProject::Readying { credential, again } => {
                    ready!(again.service.poll_ready(cx)).map_err(Into::into)?;
                    let body = again.replay.as_ref().map(Replay::body);
                    // `Readying` is only entered with a body that can be sent again.
                    let Some(body) = body else { return Poll::Pending };
                    let mut request = Request::from_parts(again.head.clone(), body);
                    again.authorize(&mut request, credential);
                    State::Calling { future: again.service.call(request), again: None }
                }
            };
            state.set(next);
        }
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fetching { .. } => "fetching",
            State::Calling { .. } => "calling",
            State::Refreshing { .. } => "refreshing",
            State::Readying { .. } => "readying",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
