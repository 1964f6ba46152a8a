//! Layers around a plain hyper service: no framework.

use std::convert::Infallible;

use bytes::Bytes;
use hardpoint::{
    Stack,
    core::{ClientResolver, RequestContext, Route},
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    observability::RecordLayer,
};
use hardpoint_testkit::http::{Client, serve};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tower::{Layer, ServiceExt, service_fn};

use super::{authentication, per_client};

/// Says who called, and how much was sent.
async fn handler<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body,
{
    let context = RequestContext::find(request.extensions()).cloned();
    let sent = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    let subject = context.as_ref().and_then(|context| context.subject());
    let body = format!("{} sent {sent}", subject.unwrap_or("nobody"));
    Ok(Response::new(Full::from(body)))
}

#[tokio::test]
async fn the_stack_serves_hyper_over_both_versions_of_http() {
    let (auth, token) = authentication();
    let stack = Stack::new()
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new())
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(per_client(8))
        .layer(auth.optional())
        .layer(BodyLimitLayer::new(16));
    let service =
        stack.service(service_fn(handler)).map_request(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Route::from_static("/everything"));
            request
        });
    let server = serve(service).await;
    let bearer = format!("Bearer {}", token.expose());
    for client in [Client::new(), Client::http2()] {
        let request = || Request::post(server.url("/x")).header("authorization", &bearer);
        let reply = client.request(request(), "hello").await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, "alice@example.org sent 5"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("x-request-id").len(), 36);
        let large = client.request(request(), vec![0; 17]).await;
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
        let forged = Request::get(server.url("/")).header("authorization", "Bearer forged");
        assert_eq!(client.request(forged, "").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(client.get(server.url("/")).await.text(), "nobody sent 0");
    }
    let ninth = Client::new().get(server.url("/")).await;
    assert_eq!(ninth.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ninth.json()["code"], "rate_limited");
}

#[tokio::test]
async fn one_layer_alone_serves_hyper_too() {
    let server = serve(per_client(1).layer(service_fn(handler::<Incoming>))).await;
    assert_eq!(Client::new().get(server.url("/")).await.text(), "nobody sent 0");
    let refused = Client::http2().get(server.url("/")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
}
