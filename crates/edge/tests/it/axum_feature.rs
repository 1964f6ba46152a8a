//! What the feature `axum` adds.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::{
        Request,
        connect_info::{ConnectInfo, MockConnectInfo},
    },
    routing::{get, post},
};
use hardpoint_core::{Outcome, Peer, Problem, Refusals, RequestContext};
use hardpoint_edge::{BodyLimitLayer, ClientLayer, ProblemLayer};
use hardpoint_testkit::{TestBody, contract, http::Client};
use http::StatusCode;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

use crate::{Reply, with_context};

async fn who(request: Request) -> String {
    let client = RequestContext::find(request.extensions()).and_then(|context| context.client());
    let ip = client.and_then(hardpoint_core::Client::ip);
    ip.map_or_else(|| "nobody".to_owned(), |ip| ip.to_string())
}

fn asking() -> Router {
    Router::new().route("/", get(who)).layer(ClientLayer::default())
}

async fn answered(app: Router, request: Request) -> String {
    let reply = Reply::of(app.oneshot(request).await.unwrap()).await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_peer_is_found_where_axum_keeps_it() {
    let known = || ConnectInfo(address("[::ffff:203.0.113.9]:1"));
    let mut request = Request::new(Body::empty());
    assert_eq!(answered(asking(), Request::new(Body::empty())).await, "nobody");
    request.extensions_mut().insert(known());
    assert_eq!(answered(asking(), request).await, "203.0.113.9");

    let mocked = asking().layer(MockConnectInfo(address("192.0.2.7:1")));
    assert_eq!(answered(mocked.clone(), Request::new(Body::empty())).await, "192.0.2.7");
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(known());
    assert_eq!(answered(mocked, request).await, "203.0.113.9");

    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(known());
    request.extensions_mut().insert(Peer::new(address("198.51.100.7:1")));
    assert_eq!(answered(asking(), request).await, "198.51.100.7");
}

#[tokio::test]
async fn axums_own_server_says_who_connects() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = asking().into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    assert_eq!(Client::new().get(&url).await.text(), "127.0.0.1");
    server.abort();
}

async fn missing() -> Result<&'static str, Problem> {
    Err(Problem::from_status(StatusCode::NOT_FOUND).detail("note 7 does not exist"))
}

#[tokio::test]
async fn a_handler_returns_a_problem() {
    let app = Router::new().route("/", get(missing));
    let (request, _) = with_context(Request::new(Body::empty()));
    let reply = Reply::of(app.clone().layer(ProblemLayer::new()).oneshot(request).await.unwrap());
    let problem = reply.await.problem("not_found");
    assert_eq!(problem["detail"], "note 7 does not exist");
    assert_eq!(problem["request_id"], "r-4711");

    // Without the layer it is the same, but for the id.
    let reply = Reply::of(app.oneshot(Request::new(Body::empty())).await.unwrap()).await;
    assert_eq!(reply.status(), 404);
    assert_eq!(reply.problem("not_found")["detail"], "note 7 does not exist");
}

#[tokio::test]
async fn a_grpc_services_problem_is_rendered_as_trailers() {
    let problems = ProblemLayer::new().refusals(&Refusals::new().grpc());
    let app = Router::new().route("/", post(missing)).layer(problems);
    let request = Request::post("/").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let reply = Reply::of(response).await;
    assert_eq!((reply.status(), reply.header("grpc-status")), (200, "12"));
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn a_limited_body_can_stay_axums_own() {
    let app = Router::new().route("/", post(|text: String| async { text })).layer(
        ServiceBuilder::new()
            .layer(BodyLimitLayer::new(4).with_axum_body())
            // Takes this one type of body.
            .map_request(|request: Request<Body>| request),
    );
    let unsized_body = |text: &'static str| Body::new(TestBody::from(text).without_size());
    for (body, status) in [
        (Body::from("four"), 200),
        (unsized_body("four"), 200),
        (Body::from("five!"), 413),
        (unsized_body("five!"), 413),
    ] {
        let request = Request::post("/").body(body).unwrap();
        let reply = Reply::of(app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(reply.status(), status);
        if status == 413 {
            assert_eq!(reply.problem("body_too_large")["limit"], 4);
        }
    }
}

#[test]
fn axums_body_is_handed_on_untouched_where_its_length_is_known() {
    let layer = BodyLimitLayer::new(4).with_axum_body();
    let known = || Request::new(Body::from("four"));
    contract::allocations("body limit for axum", &layer, known).assert_layer(0);
    contract::run(&layer, known);
    // The mark, and the box that axum puts a body into.
    let unknown = || Request::new(Body::new(TestBody::from("four").without_size()));
    contract::allocations("body limit for axum, counting", &layer, unknown).assert_layer(2);
    contract::run(&layer, unknown);
}

#[derive(Debug)]
struct Shed;

impl std::fmt::Display for Shed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the queue is full of alice")
    }
}

impl std::error::Error for Shed {}

impl hardpoint_core::Rejection for Shed {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "The queue is full")
            .outcome(Outcome::Shed)
    }

    fn headers(&self, headers: &mut http::HeaderMap) {
        headers.insert("x-queue", http::HeaderValue::from_static("full"));
    }
}

#[tokio::test]
async fn a_handlers_rejection_keeps_its_outcome_and_its_headers() {
    let handler = async || -> Result<(), hardpoint_core::axum::RejectionResponse> { Err(Shed)? };
    let app = Router::new().route("/", get(handler)).layer(ProblemLayer::new());
    let (request, _) = with_context(Request::get("/").body(Body::empty()).unwrap());
    let reply = Reply::of(app.oneshot(request).await.unwrap()).await;
    assert_eq!((reply.status(), reply.header("x-queue")), (503, "full"));
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.outcome(), Some(Outcome::Shed));
    assert!(!String::from_utf8_lossy(&reply.body).contains("alice"));
}
