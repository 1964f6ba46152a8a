//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;

use super::layer::Shared;

/// Resolves the client of a request, then passes it on. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct ResolveClient<S> {
    inner: S,
    shared: Option<Arc<Shared>>,
}

impl<S> ResolveClient<S> {
    pub(super) fn new(inner: S, shared: Option<Arc<Shared>>) -> Self {
        Self { inner, shared }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B> Service<Request<B>> for ResolveClient<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(shared) = &self.shared {
            shared.resolve(&mut request);
        }
        self.inner.call(request)
    }
}
