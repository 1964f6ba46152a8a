//! What every service of ours keeps, and what it may cost.

use std::{convert::Infallible, future::Ready};

use bytes::Bytes;
use hardpoint_core::{Client, ClientResolver, Peer, Scheme};
use hardpoint_edge::{
    BodyLimitLayer, CatchPanicLayer, ClientLayer, HttpsLayer, ProblemLayer, SecurityHeadersLayer,
    body_limit, catch_panic, client_address::ResolveClient, https, problem, security_headers,
};
use hardpoint_testkit::{
    TestBody,
    contract::{self, assert_auto_traits},
    spy::Spy,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

use crate::with_context;

fn request() -> Request<TestBody> {
    let mut request = Request::new(TestBody::from("hello"));
    let peer = Peer::new("203.0.113.9:4711".parse().unwrap());
    request.extensions_mut().insert(peer);
    request
}

fn unsized_request() -> Request<TestBody> {
    request().map(TestBody::without_size)
}

#[test]
fn every_layer_keeps_the_contract() {
    contract::run(&ClientLayer::default(), request);
    contract::run(&SecurityHeadersLayer::default(), request);
    contract::run(&https_layer(), || with_client(Scheme::Https));
    contract::run(&ProblemLayer::new(), request);
    contract::run(&CatchPanicLayer::new(), request);
    contract::run(&BodyLimitLayer::new(5), request);
    contract::run(&BodyLimitLayer::new(5), unsized_request);
}

#[test]
fn every_layer_that_is_off_keeps_the_contract() {
    contract::run(&ClientLayer::off(), request);
    contract::run(&SecurityHeadersLayer::off(), request);
    contract::run(&HttpsLayer::off(), || with_client(Scheme::Http));
    contract::run(&ProblemLayer::off(), request);
    contract::run(&CatchPanicLayer::off(), request);
    contract::run(&BodyLimitLayer::off(), request);
}

#[test]
fn bodies_over_the_limit_are_refused_as_the_contract_wants() {
    contract::refusals_are_responses(&BodyLimitLayer::new(4), request);
}

#[test]
fn requests_over_plain_http_are_refused_as_the_contract_wants() {
    contract::refusals_are_responses(&https_layer(), || with_client(Scheme::Http));
}

fn https_layer() -> HttpsLayer {
    HttpsLayer::new(["api.example"]).unwrap()
}

/// A request of a client that used this scheme.
fn with_client(scheme: Scheme) -> Request<TestBody> {
    let (request, context) = with_context(request());
    let resolver = ClientResolver::direct().direct_scheme(scheme);
    assert!(context.set_client(resolver.resolve(None, request.headers())));
    request
}

#[test]
fn a_limited_body_is_the_body_inside() {
    let layer = BodyLimitLayer::new(5);
    contract::body_is_forwarded(|body| {
        let echo = service_fn(|request: Request<_>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(request.into_body())))
        });
        let answer = layer.layer(echo).oneshot(Request::new(body));
        futures_now(answer).unwrap().into_body()
    });
}

/// The output of a future that waits for nothing.
fn futures_now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn accepting_a_request_allocates_what_the_rules_allow() {
    let peer_known = contract::allocations("client", &ClientLayer::default(), request);
    peer_known.assert_layer(0);
    assert_eq!(peer_known.header_map, 0);
    assert!(peer_known.context <= 2, "{peer_known}");

    let on_https = || {
        let (request, context) = with_context(request());
        assert!(context.set_client(https_client()));
        request
    };
    let headers =
        contract::allocations("security headers", &SecurityHeadersLayer::default(), on_https);
    headers.assert_layer(0);
    assert_eq!(headers.context, 0);
    // One growth: an array of positions and one of entries.
    assert!(headers.header_map <= 2, "{headers}");

    let https = contract::allocations("https", &https_layer(), || with_client(Scheme::Https));
    https.assert_layer(0);
    let with_id = || with_context(request()).0;
    contract::allocations("problem", &ProblemLayer::new(), with_id).assert_layer(0);
    contract::allocations("panic", &CatchPanicLayer::new(), with_id).assert_layer(0);
    contract::allocations("body limit", &BodyLimitLayer::new(5), with_id).assert_layer(0);
    // The mark that the body and the response share.
    let counted = || with_context(unsized_request()).0;
    contract::allocations("body limit, counting", &BodyLimitLayer::new(5), counted).assert_layer(1);
}

fn https_client() -> Client {
    ClientResolver::direct().direct_scheme(Scheme::Https).resolve(None, &http::HeaderMap::new())
}

#[test]
fn services_and_futures_can_be_sent_and_shared() {
    type Inner = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    assert_auto_traits::<ResolveClient<Spy>>();
    assert_auto_traits::<security_headers::SetSecurityHeaders<Spy>>();
    assert_auto_traits::<https::RequireHttps<Spy>>();
    assert_auto_traits::<problem::MapProblems<Spy>>();
    assert_auto_traits::<catch_panic::CatchPanic<Spy>>();
    assert_auto_traits::<body_limit::BodyLimit<Spy>>();
    assert_auto_traits::<body_limit::LimitedBody<TestBody>>();
    assert_auto_traits::<body_limit::LimitedBodyError>();
    assert_auto_traits::<security_headers::ResponseFuture<Inner>>();
    assert_auto_traits::<problem::ResponseFuture<Inner>>();
    assert_auto_traits::<catch_panic::ResponseFuture<Inner, Full<Bytes>>>();
    assert_auto_traits::<body_limit::ResponseFuture<Inner, Full<Bytes>>>();
}
