//! Every crate finds the same peer and the same route, wherever a server or a test stores them.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::connect_info::{ConnectInfo, MockConnectInfo},
    routing::get,
};
use hardpoint::{
    core::{ClientResolver, Peer, RequestContext},
    edge::ClientLayer,
    observability::RecordLayer,
    ratelimit::{OnMissingKey, Policy, Quota, RateLimitLayer, filter, key},
};
use http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use super::captured_logs;

const ADDRESS: &str = "203.0.113.9";

fn peer() -> SocketAddr {
    SocketAddr::new(ADDRESS.parse().unwrap(), 4711)
}

/// Who attaches the peer to a request.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// axum's server.
    ConnectInfo,
    /// A test of axum's.
    MockConnectInfo,
    /// A hyper server.
    Peer,
}

/// One request for `/users/7` to a router with this part inside of it.
async fn ask(source: Source, wrap: impl Fn(Router) -> Router) -> http::Response<Body> {
    let found = get(async |request: Request<Body>| {
        let context = RequestContext::find(request.extensions());
        let ip = context.and_then(|context| context.client()?.ip());
        ip.map_or_else(String::new, |ip| ip.to_string())
    });
    let mut router = wrap(Router::new().route("/users/{id}", found));
    let mut request = Request::get("/users/7").body(Body::empty()).unwrap();
    match source {
        Source::ConnectInfo => drop(request.extensions_mut().insert(ConnectInfo(peer()))),
        Source::MockConnectInfo => router = router.layer(MockConnectInfo(peer())),
        Source::Peer => drop(request.extensions_mut().insert(Peer::new(peer()))),
    }
    router.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn edge_ratelimit_and_observability_find_the_same_peer_and_route() {
    for source in [Source::ConnectInfo, Source::MockConnectInfo, Source::Peer] {
        // A limit that refuses a request without an address, on this one route: 400 if the peer is not
        // found, 200 if the route is not.
        let limit = || {
            let by_address = key::client_network(ClientResolver::direct());
            let none = Quota::per_hour(1);
            let policy = Policy::new("client", none, by_address)
                .when(filter::route("/users/{id}"))
                .on_missing_key(OnMissingKey::Reject)
                .cost(|_| 2);
            RateLimitLayer::new(policy).unwrap()
        };
        let limited = ask(source, |router| router.layer(limit())).await;
        assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS, "{source:?}");

        let (status, body, line) = recorded(source).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, ADDRESS), "{source:?}");
        assert_eq!(line["client"], ADDRESS, "{source:?}");
        assert_eq!(line["route"], "/users/{id}", "{source:?}");
    }
}

/// The handler's answer and the access line of a request.
async fn recorded(source: Source) -> (StatusCode, String, Value) {
    let (logs, _guard) = captured_logs("info");
    let wrap = |router: Router| router.layer(RecordLayer::new()).layer(ClientLayer::default());
    let response = ask(source, wrap).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
    let lines = logs.lines();
    let line = lines.iter().find(|line| line.contains("hardpoint::access")).unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, body, serde_json::from_str(line).unwrap())
}
