//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use hardpoint_core::Clock;
use http::Request;
use tower_service::Service;

use super::layer::Shared;

/// Finds out who sent a request, then hands it on. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct ResolveClient<S, C> {
    inner: S,
    shared: Option<Arc<Shared>>,
    clock: C,
}

impl<S, C> ResolveClient<S, C> {
    pub(super) const fn new(inner: S, shared: Option<Arc<Shared>>, clock: C) -> Self {
        Self { inner, shared, clock }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to be changed.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, by value.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, B> Service<Request<B>> for ResolveClient<S, C>
where
    S: Service<Request<B>>,
    C: Clock,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(shared) = &self.shared {
            shared.resolve(&mut request, &self.clock);
        }
        self.inner.call(request)
    }
}
