//! One limiter around a request several times.

use std::{convert::Infallible, sync::Arc};

use hardpoint_core::{ManualClock, Mono, Peer, RequestContext, Route};
use hardpoint_ratelimit::{Policy, Quota, RateLimiter, filter, key};
use hardpoint_testkit::TestBody;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, service_fn};

use super::{ask, from, left, limiter, per_tenant, read};

async fn ok(_request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(Response::new(TestBody::from("ok")))
}

/// The status of an answer through two layers of the limiter.
async fn twice(limiter: &RateLimiter, request: Request<TestBody>) -> StatusCode {
    let layer = limiter.layer().unwrap();
    let service = layer.clone().layer(layer.layer(service_fn(ok)));
    read(service, request).await.status()
}

#[tokio::test]
async fn a_limiter_that_is_around_a_request_twice_charges_it_once() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(3))]);
    for remaining in [2, 1, 0] {
        assert_eq!(twice(&limiter, from("acme")).await, StatusCode::OK);
        assert_eq!(left(&limiter, "t").await, remaining);
    }
    assert_eq!(twice(&limiter, from("acme")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(twice(&limiter, from("globex")).await, StatusCode::OK, "another request");
}

#[tokio::test]
async fn the_context_that_an_outer_layer_has_made_is_used() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(9))]);
    let mut request = from("acme");
    request.extensions_mut().insert(Arc::new(RequestContext::received_at(Mono::ZERO)));
    assert_eq!(twice(&limiter, request).await, StatusCode::OK);
    assert_eq!(left(&limiter, "t").await, 8);
}

#[tokio::test]
async fn two_limiters_with_the_same_policies_both_charge() {
    let clock = ManualClock::default();
    let [first, second] = [(); 2].map(|()| limiter(&clock, [per_tenant("t", Quota::per_hour(3))]));
    // Both are applied twice, so both remember.
    for limiter in [&first, &second] {
        assert_eq!(twice(limiter, from("acme")).await, StatusCode::OK);
    }
    let layers = [first.layer().unwrap(), second.layer().unwrap()];
    let [outer, inner] = layers.clone();
    let service = outer.layer(inner.layer(layers[0].layer(layers[1].layer(service_fn(ok)))));
    assert_eq!(read(service, from("acme")).await.status(), StatusCode::OK);
    assert_eq!((left(&first, "t").await, left(&second, "t").await), (1, 1));
}

#[tokio::test]
async fn a_policy_that_applies_only_further_in_counts_there() {
    // The route is known inside only: an outer path does not fit the template.
    let policies = [
        per_tenant("all", Quota::per_hour(9)),
        per_tenant("route", Quota::per_hour(9)).when(filter::route("/users/{id}")),
    ];
    let limiter = limiter(&ManualClock::default(), policies);
    let layer = limiter.layer().unwrap();
    let inner = layer.layer(service_fn(ok));
    let routed = service_fn(move |mut request: Request<TestBody>| {
        request.extensions_mut().insert(Route::from_static("/users/{id}"));
        let mut inner = inner.clone();
        async move { tower::Service::call(&mut inner, request).await }
    });
    assert_eq!(read(layer.layer(routed), from("acme")).await.status(), StatusCode::OK);
    assert_eq!((left(&limiter, "all").await, left(&limiter, "route").await), (8, 8));
}

#[tokio::test]
async fn holds_and_refusals_of_the_outer_layer_are_as_ever() {
    let failures = per_tenant("t", Quota::per_hour(2))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    let limiter = limiter(&ManualClock::default(), [failures]);
    for _ in 0..5 {
        assert_eq!(twice(&limiter, from("acme")).await, StatusCode::OK);
    }
    assert_eq!(left(&limiter, "t").await, 2, "nothing is held any longer");
}

#[tokio::test]
async fn a_router_with_the_limiter_around_it_and_around_a_nested_part_charges_once() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt;

    let policy =
        Policy::new("method", Quota::per_hour(9), key::from_fn(|_| Ok(super::ACME.clone())));
    let policy = policy.when(filter::method(Method::GET));
    let limiter = limiter(&ManualClock::default(), [policy]);
    let layer = limiter.layer().unwrap();
    let nested = Router::new().route("/a", get(async || "a")).layer(layer.clone());
    let app = Router::new().route("/b", get(async || "b")).nest("/in", nested).layer(layer);
    for (path, remaining) in [("/in/a", 8), ("/b", 7), ("/in/a", 6)] {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::new(([203, 0, 113, 9], 4711).into()));
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
        assert_eq!(left(&limiter, "method").await, remaining, "{path}");
    }
}

#[tokio::test]
async fn a_layer_around_one_service_remembers_nothing() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(9))]);
    let find = async |request: Request<TestBody>| {
        assert!(RequestContext::find(request.extensions()).is_none());
        Ok::<_, Infallible>(Response::new(TestBody::from("ok")))
    };
    let service = limiter.layer().unwrap().layer(service_fn(find));
    assert_eq!(read(service, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK);
}
