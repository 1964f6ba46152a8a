//! The service.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseFuture,
    future::{Again, Prepared},
    state::State,
};
use crate::{BoxError, retry::ReplayBody};

/// Refreshes the credential of outgoing calls. See the [module docs](super).
#[derive(Clone)]
pub struct RefreshOn401<S> {
    inner: S,
    state: Option<Arc<State>>,
}

impl<S> RefreshOn401<S> {
    pub(super) const fn new(inner: S, state: Option<Arc<State>>) -> Self {
        Self { inner, state }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for RefreshOn401<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let adds = |state: &&Arc<State>| !request.headers().contains_key(&state.settings.header);
        let Some(state) = self.state.as_ref().filter(adds) else {
            return ResponseFuture::forward(self.inner.call(request.map(ReplayBody::once)));
        };
        let (head, body) = request.into_parts();
        let (body, replay) = match ReplayBody::recorded(body, state.settings.replay_limit) {
            Ok((body, replay)) => (body, Some(replay)),
            Err(long) => (ReplayBody::once(long), None),
        };
        let service = self.inner.clone();
        let again = Again::new(Arc::clone(state), service, head.clone(), replay);
        let prepared = Prepared { request: Request::from_parts(head, body), again };
        match state.current() {
            Some(credential) => prepared.call(&mut self.inner, credential),
            None => {
                // The instance that is ready waits for the credential.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::fetch(Arc::clone(state).first(), ready, prepared)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for RefreshOn401<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshOn401").field("inner", &self.inner).finish_non_exhaustive()
    }
}
