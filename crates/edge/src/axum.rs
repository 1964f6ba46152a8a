//! A body limit for middleware that accepts only axum's own body.

use std::{
    error::Error,
    task::{Context, Poll},
};

use ::axum::body::Body;
use bytes::Bytes;
use hardpoint_core::{Place, Refusals, StackLayer};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    BodyLimitLayer,
    body_limit::{BodyLimit, LimitedBody},
};

impl BodyLimitLayer {
    /// Passes axum's own [`Body`] to the inner service, for middleware that accepts no other body.
    ///
    /// A body of known length is passed on untouched. Any other body is boxed once, as axum boxes
    /// every body that is not its own.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request, routing::post};
    /// use hardpoint_edge::BodyLimitLayer;
    /// use tower::ServiceBuilder;
    ///
    /// let app: Router = Router::new().route("/", post(|body: String| async { body })).layer(
    ///     ServiceBuilder::new()
    ///         .layer(BodyLimitLayer::new(64 * 1024).with_axum_body())
    ///         .map_request(|request: Request<Body>| request),
    /// );
    /// ```
    pub fn with_axum_body(self) -> AxumBodyLimitLayer {
        AxumBodyLimitLayer { limit: self }
    }
}

/// A [`BodyLimitLayer`] whose inner service takes axum's body. See
/// [`with_axum_body`](BodyLimitLayer::with_axum_body).
#[derive(Clone, Debug)]
#[must_use]
pub struct AxumBodyLimitLayer {
    limit: BodyLimitLayer,
}

impl<S> Layer<S> for AxumBodyLimitLayer {
    type Service = BodyLimit<IntoAxumBody<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.limit.layer(IntoAxumBody { inner })
    }
}

impl StackLayer for AxumBodyLimitLayer {
    const PLACE: Place = Place::BODY_LIMIT;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { limit: StackLayer::refusals(self.limit, refusals) }
    }
}

/// Converts a limited body into axum's [`Body`].
#[derive(Clone, Debug)]
pub struct IntoAxumBody<S> {
    inner: S,
}

impl<S> IntoAxumBody<S> {
    hardpoint_core::inner_accessors!();
}

impl<S, B> Service<Request<LimitedBody<B>>> for IntoAxumBody<S>
where
    S: Service<Request<Body>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<LimitedBody<B>>) -> S::Future {
        // `Body::new` returns axum's own body unchanged.
        self.inner.call(request.map(|body| {
            if body.is_known_to_fit() { Body::new(body.into_inner()) } else { Body::new(body) }
        }))
    }
}
