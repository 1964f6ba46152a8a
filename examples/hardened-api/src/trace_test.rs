//! The service of the W3C's test suite for Trace Context, on the admin listener in development.
//!
//! `POST /test` takes a list of `{url, arguments}` and posts the arguments to each url, in the trace
//! of the request: `python test/test.py http://127.0.0.1:3001/test` in a checkout of
//! `w3c/trace-context` checks what is passed on.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use bytes::Bytes;
use hardpoint::{
    core::{Problem, RequestContext},
    observability::{
        OutgoingLayer, RecordLayer,
        outgoing::{AllowedHosts, Outgoing},
    },
};
use http::{Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use serde_json::Value;
use tower::{Layer, ServiceExt};

/// The most calls of one request, and the time that each may take.
const MAX_CALLS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(5);

type Caller = Outgoing<Client<HttpConnector, Full<Bytes>>>;

/// A call to make.
#[derive(Deserialize)]
struct Call {
    url: String,
    #[serde(default)]
    arguments: Value,
}

/// The route. Every client that can reach it chooses ids, so it belongs on a loopback address only.
pub(crate) fn route() -> Router {
    // The handler refuses every url that does not name this machine.
    let outgoing = OutgoingLayer::new("trace-test", AllowedHosts::dangerous_any());
    let caller: Caller = outgoing.layer(Client::builder(TokioExecutor::new()).build_http());
    Router::new()
        .route("/test", post(test))
        .with_state(caller)
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(RecordLayer::new().accept_ids())
}

async fn test(
    State(caller): State<Caller>,
    Extension(context): Extension<Arc<RequestContext>>,
    Json(calls): Json<Vec<Call>>,
) -> Result<Json<Value>, Problem> {
    if calls.len() > MAX_CALLS {
        return Err(refused(format!("at most {MAX_CALLS} calls")));
    }
    let targets: Result<Vec<_>, _> = calls.iter().map(|call| target(&call.url)).collect();
    for (uri, call) in targets?.into_iter().zip(&calls) {
        let request = Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .extension(Arc::clone(&context))
            .body(Full::from(call.arguments.to_string()))
            .map_err(|error| refused(error.to_string()))?;
        let answer = tokio::time::timeout(TIMEOUT, caller.clone().oneshot(request)).await;
        if !matches!(answer, Ok(Ok(_))) {
            return Err(Problem::from_status(StatusCode::BAD_GATEWAY));
        }
    }
    Ok(Json(Value::Null))
}

/// A url of this machine: the route never calls other hosts for a stranger.
fn target(url: &str) -> Result<Uri, Problem> {
    let uri: Option<Uri> = url.parse().ok();
    let is_ours = |uri: &Uri| {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_loopback && uri.scheme_str() == Some("http")
    };
    uri.filter(is_ours)
        .ok_or_else(|| refused("a url must be http and name a loopback address".to_owned()))
}

fn refused(detail: String) -> Problem {
    Problem::from_status(StatusCode::BAD_REQUEST).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_literal_loopback_address_is_called() {
        for url in ["http://127.0.0.1:7777/x.0", "http://127.9.9.9/", "http://[::1]:80/a?b=c"] {
            assert!(target(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "/test",
            "http://localhost/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "https://127.0.0.1/",
            "ftp://127.0.0.1/",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
