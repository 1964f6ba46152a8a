//! The health service of gRPC, asked by tonic's own client.

use std::time::Duration;

use hardpoint_health::{GrpcHealth, Lifecycle};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, time::timeout};
use tonic::{
    Code,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::ServiceExt;

use crate::support::PATIENCE;

fn lifecycle() -> Lifecycle {
    let lifecycle = Lifecycle::builder();
    lifecycle.drain_delay(Duration::ZERO).settle(Duration::from_millis(100)).build().unwrap()
}

/// A client of a tonic server with the health service.
async fn serve(lifecycle: &Lifecycle) -> HealthClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = GrpcHealth::new(lifecycle).add_service("pkg.Greeter");
    tokio::spawn(
        Server::builder().add_service(health).serve_with_incoming(TcpIncoming::from(listener)),
    );
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let reply = client.check(request(service)).await;
    reply.map(|reply| reply.into_inner().status()).map_err(|status| status.code())
}

#[tokio::test]
async fn a_check_follows_the_lifecycle() {
    use ServingStatus::{NotServing, Serving};

    let lifecycle = lifecycle();
    let mut client = serve(&lifecycle).await;
    let rows = [("starting", false, true, false), ("ready", true, true, true)];
    for (phase, ready, live, started) in rows.into_iter().chain([("draining", false, true, true)]) {
        match phase {
            "ready" => lifecycle.started(),
            "draining" => lifecycle.begin_drain(),
            _ => {}
        }
        let expected = |yes: bool| Ok(if yes { Serving } else { NotServing });
        for (service, yes) in [
            ("", ready),
            ("readiness", ready),
            ("pkg.Greeter", ready),
            ("liveness", live),
            ("startup", started),
        ] {
            assert_eq!(check(&mut client, service).await, expected(yes), "{phase} {service}");
        }
        assert_eq!(check(&mut client, "pkg.Unknown").await, Err(Code::NotFound));
    }
}

#[tokio::test]
async fn a_watch_sends_each_change_and_ends_with_the_drain() {
    let lifecycle = lifecycle();
    let mut client = serve(&lifecycle).await;
    let mut watch = client.watch(request("")).await.unwrap().into_inner();
    let mut next = async || {
        let message = timeout(PATIENCE, watch.message()).await.unwrap();
        message.map(|message| message.map(|message| message.status())).map_err(|s| s.code())
    };
    assert_eq!(next().await, Ok(Some(ServingStatus::NotServing)));
    lifecycle.started();
    assert_eq!(next().await, Ok(Some(ServingStatus::Serving)));
    lifecycle.begin_drain();
    assert_eq!(next().await, Ok(Some(ServingStatus::NotServing)));
    assert_eq!(next().await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_watch_of_an_unknown_name_is_kept_open() {
    let lifecycle = lifecycle();
    let mut client = serve(&lifecycle).await;
    let mut watch = client.watch(request("pkg.Unknown")).await.unwrap().into_inner();
    let first = timeout(PATIENCE, watch.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    lifecycle.started();
    // Nothing has changed for this name.
    assert!(timeout(Duration::from_millis(200), watch.message()).await.is_err());
}

#[tokio::test]
async fn streams_are_bounded_and_a_dropped_one_frees_its_place() {
    let lifecycle = lifecycle();
    let health = GrpcHealth::new(&lifecycle);
    let open = async || {
        let frame = http_body_util::Full::new(bytes::Bytes::from_static(b"\0\0\0\0\0"));
        let request = http::Request::post("/grpc.health.v1.Health/Watch")
            .header("content-type", "application/grpc")
            .body(frame);
        health.clone().oneshot(request.unwrap()).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..1_024 {
        let response = open().await;
        assert!(!response.headers().contains_key("grpc-status"));
        streams.push(response);
    }
    assert_eq!(open().await.headers()["grpc-status"], "8");
    drop(streams.pop());
    let mut response = open().await;
    assert!(!response.headers().contains_key("grpc-status"));
    let frame = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&*frame, b"\0\0\0\0\x02\x08\x02");
}

#[tokio::test]
async fn what_is_no_call_of_the_service_is_refused() {
    let lifecycle = lifecycle();
    let ask = async |method: http::Method, path: &str, kind: &str, body: Vec<u8>| {
        let request =
            http::Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.body(http_body_util::Full::new(bytes::Bytes::from(body))).unwrap();
        let response = GrpcHealth::new(&lifecycle).oneshot(request).await.unwrap();
        let grpc = response.headers().get("grpc-status");
        let grpc = grpc.map(|status| status.to_str().unwrap().to_owned());
        (response.status().as_u16(), grpc)
    };
    const CHECK: &str = "/grpc.health.v1.Health/Check";
    let grpc = "application/grpc+proto";
    let (get, post) = (http::Method::GET, http::Method::POST);
    let status = |code: &str| (200, Some(code.to_owned()));
    assert_eq!(ask(get, CHECK, grpc, vec![]).await, (405, None));
    for kind in ["application/json", "application/grpc-web", "application/grpc-web+proto"] {
        assert_eq!(ask(post.clone(), CHECK, kind, vec![0; 5]).await, (415, None), "{kind}");
    }
    for kind in ["application/grpc", "application/grpc; charset=utf-8"] {
        assert_eq!(ask(post.clone(), CHECK, kind, vec![0; 5]).await, (200, None), "{kind}");
    }
    for path in ["/grpc.health.v1.Health/Other", "/grpc.health.v1.HealthCheck", "/"] {
        assert_eq!(ask(post.clone(), path, grpc, vec![0; 5]).await, status("12"), "{path}");
    }
    for body in [vec![], vec![1, 0, 0, 0, 0], vec![0; 4_097]] {
        assert_eq!(ask(post.clone(), CHECK, grpc, body).await, status("3"));
    }
    assert_eq!(ask(post, CHECK, grpc, vec![0; 5]).await, (200, None));
}
