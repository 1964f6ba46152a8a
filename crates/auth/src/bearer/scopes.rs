//! Refuses tokens that do not allow what a route does.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, HeadFacts, ResponseBody, ResponseFuture, refuse};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{InsufficientScope, NotAuthenticated, Scopes, Verified};

/// Lets only those requests through whose token carries all of some scopes.
///
/// A request that was not authenticated is 401, one whose token lacks a scope is 403 and names what
/// is required (RFC 6750 §3.1). It goes inside an [`AuthLayer`](super::AuthLayer), around the routes
/// that it protects. It has no state, and dropping its future drops the inner one's.
///
/// ```
/// use hardpoint_auth::RequireScopesLayer;
///
/// // Router::new().route("/notes", post(add)).route_layer(layer)
/// let layer = RequireScopesLayer::new("notes:write".parse()?);
/// # let _ = layer;
/// # Ok::<(), hardpoint_auth::ParseScopesError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireScopesLayer {
    required: Option<Arc<Scopes>>,
}

impl RequireScopesLayer {
    /// Requires all of these. None of them means: any valid token.
    pub fn new(required: Scopes) -> Self {
        Self { required: Some(Arc::new(required)) }
    }

    /// The layer that requires nothing, not even a token.
    pub const fn off() -> Self {
        Self { required: None }
    }
}

impl<S> Layer<S> for RequireScopesLayer {
    type Service = RequireScopes<S>;

    fn layer(&self, inner: S) -> RequireScopes<S> {
        RequireScopes { inner, required: self.required.clone() }
    }
}

/// Lets only those requests through whose token carries all of some scopes. See
/// [`RequireScopesLayer`].
#[derive(Clone, Debug)]
pub struct RequireScopes<S> {
    inner: S,
    required: Option<Arc<Scopes>>,
}

impl<S> RequireScopes<S> {
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

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireScopes<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let Some(required) = &self.required else {
            return ResponseFuture::forward(self.inner.call(request));
        };
        let facts = || HeadFacts::of(Head::of(&request));
        match request.extensions().get::<Arc<Verified>>() {
            None => ResponseFuture::refuse(refuse(&facts(), &NotAuthenticated::new())),
            Some(verified) if !required.is_subset_of(verified.scopes()) => {
                let rejection = InsufficientScope::new(required.as_ref().clone());
                ResponseFuture::refuse(refuse(&facts(), &rejection))
            }
            Some(_) => ResponseFuture::forward(self.inner.call(request)),
        }
    }
}
