//! Layers around a tonic server: refusals are gRPC's.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint::core::{Peer, Refusals};
use hardpoint_testkit::http::{Client, Reply};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tonic::{body::Body, server::NamedService, transport::server::TcpIncoming};
use tower::{Service, layer::layer_fn, util::MapRequest};

use super::{authentication, per_client};

/// A method without a generated client: an empty message and the status of success.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let message = Full::new(Bytes::from_static(&[0, 0, 0, 0, 0]));
        let body = message.with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
        let response = Response::builder().header("content-type", "application/grpc");
        std::future::ready(Ok(response.body(Body::new(body)).unwrap()))
    }
}

async fn call(address: std::net::SocketAddr, token: Option<&str>) -> Reply {
    let mut request = Request::post(format!("http://{address}/test.Greeter/Greet"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Client::http2().request(request, vec![0, 0, 0, 0, 0]).await
}

fn status(reply: &Reply) -> Option<&str> {
    let fields = reply.trailers.as_ref().unwrap_or(&reply.headers);
    fields.get("grpc-status").and_then(|value| value.to_str().ok())
}

#[tokio::test]
async fn refusals_are_statuses_of_grpc_and_answers_keep_their_trailers() {
    let (auth, token) = authentication();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // tonic hands on the peer in its own extension; ours is inserted where connections are known.
    let with_peer: fn(Request<Body>) -> Request<Body> = |mut request| {
        request.extensions_mut().insert(Peer::new(([127, 0, 0, 1], 1).into()));
        request
    };
    let peer = layer_fn(move |inner| MapRequest::new(inner, with_peer));
    let grpc = Refusals::new().grpc();
    let server = tonic::transport::Server::builder()
        .layer(peer)
        .layer(per_client(3).refusals(&grpc))
        .layer(auth.refusals(&grpc))
        .add_service(Greeter)
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);

    let served = call(address, Some(token.expose())).await;
    assert_eq!((served.status.as_u16(), status(&served)), (200, Some("0")));
    assert_eq!(&served.body[..], [0, 0, 0, 0, 0]);
    for bad in [None, Some("forged")] {
        let refused = call(address, bad).await;
        assert_eq!((refused.status.as_u16(), status(&refused)), (200, Some("16")));
        assert!(refused.body.is_empty());
    }
    let limited = call(address, Some(token.expose())).await;
    assert_eq!((limited.status.as_u16(), status(&limited)), (200, Some("8")));
    assert_eq!(limited.header("grpc-message"), "Too many requests");
}
