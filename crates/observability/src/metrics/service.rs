//! The service that answers scrapes.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, VARY},
};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use super::{
    Metrics,
    exposition::{Exposition, Format, negotiate},
};

/// Answers `GET` and `HEAD` with all metrics, as OpenMetrics 1.0 or as Prometheus text 0.0.4,
/// whichever the `Accept` field prefers, and any other method with 405.
///
/// Mount it on a listener that only operators and their scrapers reach:
/// `Router::new().route_service("/metrics", metrics.service())`.
#[derive(Clone, Debug)]
pub struct MetricsService {
    metrics: Metrics,
}

impl MetricsService {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone() }
    }
}

impl<B> Service<Request<B>> for MetricsService {
    type Response = Response<MetricsBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let get = request.method() == Method::GET;
        if !get && request.method() != Method::HEAD {
            let mut response = Response::new(MetricsBody { rest: None });
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return ready(Ok(response));
        }
        let format = negotiate(request.headers());
        let rest = get.then(|| Exposition::new(self.metrics.clone(), format));
        let mut response = Response::new(MetricsBody { rest });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(format)));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ready(Ok(response))
    }
}

const fn content_type(format: Format) -> &'static str {
    match format {
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Format::Text => "text/plain; version=0.0.4; charset=utf-8",
    }
}

/// The metrics, written while they are sent: at most about 20 KiB are in memory at a time.
#[derive(Debug)]
pub struct MetricsBody {
    rest: Option<Exposition>,
}

impl Body for MetricsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.rest.as_mut().and_then(Exposition::next);
        if piece.is_none() {
            self.rest = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_some() { SizeHint::default() } else { SizeHint::with_exact(0) }
    }
}
