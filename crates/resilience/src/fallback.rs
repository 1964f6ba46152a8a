//! Answers in place of a destination that fails.
//!
//! A page that shows yesterday's prices is better than one that shows none. The fallback is a
//! function of the failure, so that it can read a cache, or answer a constant.
//!
//! ```
//! use bytes::Bytes;
//! use hardpoint_resilience::FallbackLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let recommendations = service_fn(|_: Request<()>| async {
//!     let mut response = Response::new(Full::new(Bytes::new()));
//!     *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     Ok::<_, std::io::Error>(response)
//! });
//! let fallback = FallbackLayer::new(|failure| {
//!     // A page without recommendations is still a page.
//!     (failure.path() == "/recommendations").then(|| Response::new(Bytes::from_static(b"[]")))
//! });
//! let client = fallback.layer(recommendations);
//!
//! let response = client.clone().oneshot(Request::get("/recommendations").body(())?).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "[]");
//!
//! let response = client.oneshot(Request::get("/other").body(())?).await?;
//! assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The function is called if the inner service returns an error, or a response whose
//!    [`Class`](crate::Class) is a failure. A response that rejects the request (404) is an answer.
//! 2. If the function returns a response, the caller gets it in place of the failure. `None` leaves
//!    the failure as it is.
//!
//! # Sharing
//! All services made from one layer share the function, and what it holds.
//!
//! # Cancellation
//! Dropping the future drops the inner future. The function is not called.
//!
//! # Deployment caveats
//! - The function runs while a response is awaited: it must not block.
//! - A fallback hides an outage from callers. The events of the policies inside still report it.
//!
//! # Where to put this layer
//! Outside of a [`ClientPolicy`](crate::ClientPolicy), whose circuit must see the failures.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::ResponseBody;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{BoxError, Classifier};

type Answer = dyn Fn(&Failure<'_>) -> Option<Response<Bytes>> + Send + Sync;

/// Answers in place of a destination that fails. See the [module docs](self).
#[derive(Clone)]
#[must_use]
pub struct FallbackLayer {
    settings: Option<Arc<Settings>>,
}

#[derive(Clone)]
struct Settings {
    answer: Arc<Answer>,
    classifier: Classifier,
}

impl FallbackLayer {
    /// Answers failures with `answer`.
    pub fn new<F>(answer: F) -> Self
    where
        F: Fn(&Failure<'_>) -> Option<Response<Bytes>> + Send + Sync + 'static,
    {
        let settings = Settings { answer: Arc::new(answer), classifier: Classifier::new() };
        Self { settings: Some(Arc::new(settings)) }
    }

    /// The layer that answers nothing.
    pub const fn off() -> Self {
        Self { settings: None }
    }

    /// Sets how responses are classified. Default: [`Classifier::new`].
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        if let Some(settings) = &mut self.settings {
            Arc::make_mut(settings).classifier = classifier;
        }
        self
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback { inner, settings: self.settings.clone() }
    }
}

impl fmt::Debug for FallbackLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FallbackLayer")
    }
}

/// A failed call.
#[derive(Clone, Copy)]
pub struct Failure<'a> {
    method: &'a Method,
    uri: &'a Uri,
    status: Option<StatusCode>,
    error: Option<&'a (dyn Error + 'static)>,
}

impl<'a> Failure<'a> {
    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.method
    }

    /// The request's target.
    #[must_use]
    pub const fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The path of the request's target.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.uri.path()
    }

    /// The status of the response, if there is one.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The error, if the call returned no response.
    #[must_use]
    pub const fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }
}

impl fmt::Debug for Failure<'_> {
    /// Does not show the target: paths and queries may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("method", self.method)
            .field("status", &self.status)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// Answers in place of a destination that fails. See the [module docs](self).
#[derive(Clone)]
pub struct Fallback<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Fallback<S> {
    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Fallback<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let fallback = self.settings.as_ref().map(|settings| Substitute {
            settings: Arc::clone(settings),
            // Both are shared, not copied.
            method: request.method().clone(),
            uri: request.uri().clone(),
        });
        ResponseFuture { inner: self.inner.call(request), fallback }
    }
}

impl<S: fmt::Debug> fmt::Debug for Fallback<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fallback").field(&self.inner).finish()
    }
}

pin_project! {
    /// The inner service's response, or the fallback.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // None if the layer is off.
        fallback: Option<Substitute>,
    }
}

/// What answers a call that fails.
struct Substitute {
    settings: Arc<Settings>,
    method: Method,
    uri: Uri,
}

impl Substitute {
    fn answer<R>(&self, result: &Result<Response<R>, BoxError>) -> Option<Response<Bytes>> {
        let Self { settings, method, uri } = self;
        let failure = match result {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers());
                if !settings.classifier.classify_response(status, headers).is_failure() {
                    return None;
                }
                Failure { method, uri, status: Some(status), error: None }
            }
            Err(error) => Failure { method, uri, status: None, error: Some(&**error) },
        };
        (settings.answer)(&failure)
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        let answer = this.fallback.as_ref().and_then(|fallback| fallback.answer(&result));
        Poll::Ready(match answer {
            Some(response) => Ok(response.map(ResponseBody::full)),
            None => result.map(|response| response.map(ResponseBody::inner)),
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.fallback.as_ref().map(|fallback| &fallback.method);
        f.debug_struct("ResponseFuture").field("method", &method).finish_non_exhaustive()
    }
}
