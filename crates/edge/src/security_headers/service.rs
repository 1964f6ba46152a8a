//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use hardpoint_core::{Client, RequestContext};
use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, SecurityHeaders};

/// Adds headers to every response. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct SetSecurityHeaders<S> {
    inner: S,
    set: Option<Arc<SecurityHeaders>>,
}

impl<S> SetSecurityHeaders<S> {
    pub(super) fn new(inner: S, set: Option<Arc<SecurityHeaders>>) -> Self {
        Self { inner, set }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for SetSecurityHeaders<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let set = self.set.clone();
        let scheme = set
            .as_deref()
            .filter(|set| set.asks_for_scheme())
            .and_then(|_| RequestContext::find(request.extensions())?.client())
            .map(Client::scheme);
        ResponseFuture::new(self.inner.call(request), set, scheme)
    }
}
