//! tonic's routes on the server, called by tonic's own client.

use std::{process::ExitCode, time::Duration};

use hardpoint_core::Peer;
use hardpoint_health::{
    Lifecycle,
    serve::{RequestBody, Server},
};
use http::Request;
use tokio::time::timeout;
use tonic::{
    Code,
    service::Routes,
    transport::{Endpoint, server::TcpConnectInfo},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    health_server::HealthServer,
};
use tower::Layer;

use crate::support::PATIENCE;

#[tokio::test]
async fn unary_calls_errors_and_streams_are_served_and_a_drain_ends_them() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .drain_deadline(Duration::from_secs(2))
        .build()
        .unwrap();
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter.set_service_status("pkg.Greeter", tonic_health::ServingStatus::Serving).await;
    let health = tonic_health::server::HealthService::from_health_reporter(reporter.clone());
    let routes = Routes::new(HealthServer::new(health)).prepare();
    // Every request carries the peer as tonic's handlers and as our layers look for it.
    let service = tower::util::MapRequestLayer::new(|request: Request<RequestBody>| {
        let info = request.extensions().get::<TcpConnectInfo>().unwrap();
        assert!(info.remote_addr().is_some() && info.local_addr().is_some());
        assert_eq!(
            Peer::find(request.extensions()).map(Peer::ip),
            info.remote_addr().map(|address| address.ip())
        );
        request
    })
    .layer(routes);
    // A stream of updates pauses for longer than a request body may.
    let server = Server::bind("127.0.0.1:0").await.unwrap().body_stall(Duration::from_millis(50));
    let address = server.local_addr().unwrap();
    let run = {
        let lifecycle = lifecycle.clone();
        tokio::spawn(async move { lifecycle.run(server.service(service).serve(&lifecycle)).await })
    };

    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let reply = client.check(request("pkg.Greeter")).await.unwrap();
    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);
    let refused = client.check(request("pkg.Unknown")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let mut updates = client.watch(request("pkg.Greeter")).await.unwrap().into_inner();
    let first = updates.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    tokio::time::sleep(Duration::from_millis(200)).await;
    reporter.set_service_status("pkg.Greeter", tonic_health::ServingStatus::NotServing).await;
    let second = updates.message().await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);

    // A stream that ignores the drain is cut at the deadline.
    lifecycle.begin_drain();
    assert_eq!(timeout(PATIENCE, run).await.unwrap().unwrap(), ExitCode::from(75));
    assert!(updates.message().await.is_err());
}
