//! Bodies that grow when they are decoded.

use std::{convert::Infallible, io::Write};

use axum::{Router, body::Body, extract::Json, routing::post};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hardpoint_core::Refusals;
use hardpoint_edge::{BodyLimitLayer, body_limit::LimitedBody};
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::decompression::RequestDecompressionLayer;

use crate::Reply;

const LIMIT: u64 = 64 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 30 MB of JSON in 30 KB.
fn bomb() -> Vec<u8> {
    let mut json = vec![b' '; 30_000_000];
    json[0] = b'[';
    json[29_999_999] = b']';
    let bomb = gzip(&json);
    assert!(bomb.len() < 32_000);
    bomb
}

fn encoded(encoding: &str, body: Vec<u8>) -> Request<Body> {
    let request = Request::post("/").header("content-encoding", encoding);
    request.header("content-type", "application/json").body(Body::from(body)).unwrap()
}

fn router() -> Router {
    Router::new().route("/", post(async |Json(value): Json<Value>| value.to_string()))
}

#[tokio::test]
async fn a_bomb_is_cut_at_the_limit_where_the_decoder_is_outside() {
    let stack = ServiceBuilder::new()
        .layer(RequestDecompressionLayer::new())
        .layer(BodyLimitLayer::new(LIMIT));
    let app = router().layer(stack);
    let reply = Reply::of(app.clone().oneshot(encoded("gzip", bomb())).await.unwrap()).await;
    assert_eq!(reply.problem("body_too_large")["limit"], LIMIT);
    let fine = app.oneshot(encoded("gzip", gzip(b"[1]"))).await.unwrap();
    let fine = Reply::of(fine).await;
    assert_eq!((fine.status(), &fine.body[..]), (200, &b"[1]"[..]));
}

#[tokio::test]
async fn a_bomb_is_refused_unread_where_the_decoder_is_inside() {
    let stack = ServiceBuilder::new()
        .layer(BodyLimitLayer::new(LIMIT))
        .layer(RequestDecompressionLayer::new());
    let app = router().layer(stack);
    for body in [bomb(), gzip(b"[1]")] {
        let reply = Reply::of(app.clone().oneshot(encoded("gzip", body)).await.unwrap()).await;
        assert_eq!(reply.status(), 415);
        reply.problem("encoding_unsupported");
        assert_eq!(reply.header("accept-encoding"), "identity");
    }
    let plain = encoded("identity", b"[1]".to_vec());
    assert_eq!(app.oneshot(plain).await.unwrap().status(), 200);
}

async fn length(
    request: Request<LimitedBody<TestBody>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let read = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    Ok(Response::new(Full::from(read.to_string())))
}

#[tokio::test]
async fn every_encoding_is_refused_except_none() {
    for (lines, refused) in [
        (&["gzip"][..], true),
        (&["GZIP"], true),
        (&["x-gzip"], true),
        (&["br"], true),
        (&["zstd"], true),
        (&["deflate"], true),
        (&["gzip, gzip"], true),
        (&["identity, gzip"], true),
        (&["identity", "gzip"], true),
        (&["made-up"], true),
        (&["aes128gcm"], true),
        (&["identity"], false),
        (&["Identity, identity"], false),
        (&[""], false),
        (&[], false),
    ] {
        for body in [TestBody::from("abc"), TestBody::from("abc").without_size()] {
            let mut request = Request::new(body);
            for line in lines {
                request.headers_mut().append("content-encoding", line.parse().unwrap());
            }
            let response = BodyLimitLayer::new(10).layer(service_fn(length)).oneshot(request).await;
            let expected = if refused { 415 } else { 200 };
            assert_eq!(response.unwrap().status(), expected, "{lines:?}");
        }
    }
    // Nothing is encoded in an empty body, and a service may want encoded ones.
    let with = |body| Request::post("/").header("content-encoding", "gzip").body(body).unwrap();
    let layer = BodyLimitLayer::new(10);
    let empty = layer.layer(service_fn(length)).oneshot(with(TestBody::default())).await;
    assert_eq!(empty.unwrap().status(), 200);
    let layer = BodyLimitLayer::new(10).allow_encoded();
    let kept = layer.layer(service_fn(length)).oneshot(with(TestBody::from("abc"))).await.unwrap();
    assert_eq!(Reply::of(kept).await.body, "3");
    let long = layer.layer(service_fn(length)).oneshot(with(TestBody::from("0123456789a"))).await;
    assert_eq!(long.unwrap().status(), 413);
}

#[tokio::test]
async fn encoded_messages_of_grpc_are_refused_too() {
    let grpc = Refusals::new().grpc();
    for (encoding, status) in [("gzip", Some("12")), ("identity", None)] {
        let request = Request::post("/pkg.Service/Method")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", encoding)
            .body(TestBody::from("abc"))
            .unwrap();
        let layer = BodyLimitLayer::new(10).grpc_messages(100).refusals(&grpc);
        let response = layer.layer(service_fn(length)).oneshot(request).await.unwrap();
        let reply = Reply::of(response).await;
        let found = reply.head.headers.get("grpc-status").map(|value| value.to_str().unwrap());
        assert_eq!((reply.status(), found), (200, status), "{encoding}");
        let accepted = if status.is_some() { "identity" } else { "" };
        assert_eq!(reply.header("grpc-accept-encoding"), accepted);
    }
}
