//! The layers of the edge as services: alone, in axum, and over sockets.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[cfg(feature = "axum")]
mod axum_feature;
mod axum_router;
mod body_cut;
mod body_encoded;
mod body_limit;
mod catch_panic;
mod client_address;
mod contract;
#[cfg(feature = "cors")]
mod cors;
mod https;
mod problem;
mod reason;
mod security_headers;
mod wire;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hardpoint_core::{Mono, Outcome, Refused, RequestContext, RequestId};
use hardpoint_testkit::leak::CapturedLogs;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tracing::{Dispatch, subscriber::DefaultGuard};

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    head: http::response::Parts,
    body: Bytes,
}

impl Reply {
    async fn of<B>(response: Response<B>) -> Self
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { head, body }
    }

    fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    fn header(&self, name: &str) -> &str {
        let value = self.head.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// How the request ended, as an outer layer sees it.
    fn outcome(&self) -> Option<Outcome> {
        self.head.extensions.get().map(|refused: &Refused| refused.outcome())
    }

    /// The problem, checked to be one, with its code.
    fn problem(&self, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status());
        assert_eq!(problem["code"], code);
        problem
    }
}

/// A context as the layer that records requests leaves it: with an id in a buffer of its own.
fn context() -> Arc<RequestContext> {
    let context = RequestContext::received_at(Mono::ZERO);
    let id = HeaderValue::from_str("r-4711").unwrap();
    assert!(context.set_request_id(RequestId::from_header(&id).unwrap()));
    Arc::new(context)
}

/// A request with that context.
fn with_context<B>(mut request: Request<B>) -> (Request<B>, Arc<RequestContext>) {
    let context = context();
    request.extensions_mut().insert(Arc::clone(&context));
    (request, context)
}

/// The log lines of this thread, until the guard is dropped.
fn captured_logs() -> (CapturedLogs, DefaultGuard) {
    // As long as there is one subscriber alone, tracing asks the thread that first comes by an
    // event whether anybody wants it, and that may be a test that has none. With two it asks both.
    static SECOND: LazyLock<Dispatch> =
        LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().finish()));
    LazyLock::force(&SECOND);
    let logs = CapturedLogs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(logs.writer())
        .finish();
    (logs, tracing::subscriber::set_default(subscriber))
}
