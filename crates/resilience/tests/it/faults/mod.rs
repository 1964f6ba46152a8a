//! Real sockets, and a server that fails in every way.

mod server;

use std::time::Duration;

use bytes::Bytes;
use hardpoint_resilience::{
    Backoff, BoxError, ClientPolicy, RetryBudget, RetryLayer, Spread, TimeoutLayer,
    retry::ReplayBody,
};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceExt};

use self::server::{Fault, FaultyServer};

type Hyper = Client<HttpConnector, ReplayBody<Full<Bytes>>>;

fn hyper() -> Hyper {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Calls `server` with a policy that retries as much as it may.
async fn call(client: &Hyper, server: &FaultyServer, method: Method) -> Result<u16, BoxError> {
    let millis = Duration::from_millis;
    let retry = RetryLayer::builder()
        .attempts(4)
        .backoff(Backoff::exponential(millis(1), millis(2)))
        .budget(&RetryBudget::unlimited())
        .build()?;
    // Longer than any answer takes on a loaded machine; only the fault `Hang` waits for it.
    let timeout = TimeoutLayer::new(millis(2_000))?;
    let service = retry.layer(timeout.layer(client.clone()));
    let body = Full::new(Bytes::from_static(b"one order"));
    let request = Request::builder().method(method).uri(server.url()).body(body)?;
    let response = service.oneshot(request).await?;
    let status = response.status().as_u16();
    // The body of a failure may never end; that of a success frees its connection.
    if status == 200 {
        response.into_body().collect().await?;
    }
    Ok(status)
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_arrives_once() {
    for fault in Fault::ALL {
        // The connection is new, and then one that was used before.
        for used in [false, true] {
            let server = FaultyServer::start().await;
            let client = hyper();
            if used {
                assert_eq!(call(&client, &server, Method::GET).await.unwrap(), 200);
            }
            server.fail_with(fault);
            let result = call(&client, &server, Method::POST).await;
            let arrived = server.arrived("POST");
            assert_eq!(arrived, 1, "{fault:?}, used {used}: {result:?}");
            assert!(result.is_err() || result.is_ok_and(|status| status >= 500), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_may_be_repeated_succeeds_after_each_fault() {
    for fault in Fault::ALL {
        let server = FaultyServer::start().await;
        server.fail_with(fault);
        let status = call(&hyper(), &server, Method::PUT).await.unwrap();
        // A response whose body breaks off has begun: the caller has it.
        assert_eq!((status, server.arrived("PUT")), (200, 2), "{fault:?}");
    }
}

/// The first connection is refused; while the client waits for its retry, the server starts.
#[tokio::test]
async fn a_refused_connection_is_tried_again_for_every_request() {
    let address = FaultyServer::start().await.stop();
    let (attempted, mut attempts) = tokio::sync::mpsc::unbounded_channel();
    let client = hyper();
    let observed = tower::service_fn(move |request| {
        let response = client.clone().oneshot(request);
        let attempted = attempted.clone();
        async move {
            let result = response.await;
            attempted.send(result.is_ok()).unwrap();
            result
        }
    });
    let patient = Duration::from_secs(2);
    let retry = RetryLayer::builder()
        .attempts(5)
        .backoff(Backoff::exponential(patient, patient).spread(Spread::None))
        .budget(&RetryBudget::unlimited())
        .build()
        .unwrap();
    let body = Full::new(Bytes::from_static(b"one order"));
    let request = Request::post(format!("http://{address}/orders")).body(body).unwrap();
    let call = tokio::spawn(retry.layer(observed).oneshot(request));
    assert_eq!(attempts.recv().await, Some(false), "nobody listens");
    let server = FaultyServer::start_at(address).await;
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.arrived("POST"), 1);
}

#[tokio::test]
async fn a_policy_guards_a_real_client() {
    let server = FaultyServer::start().await;
    let policy = ClientPolicy::internal("orders").build().unwrap();
    let client = policy.layer().layer(hyper());
    let put = || {
        let body = Full::new(Bytes::from_static(b"one order"));
        client.clone().oneshot(Request::put(server.url()).body(body).unwrap())
    };
    server.fail_with(Fault::EndlessBody);
    let response = put().await.unwrap();
    assert_eq!((response.status().as_u16(), server.arrived("PUT")), (200, 2));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let snapshot = policy.circuit().unwrap().snapshot();
    assert_eq!(policy.limit().unwrap().snapshot().in_flight, 0, "{snapshot:?}");
}
