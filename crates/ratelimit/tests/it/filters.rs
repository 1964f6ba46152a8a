//! Filters by route, wherever the limit is put.

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use hardpoint_core::{ManualClock, Route};
use hardpoint_ratelimit::{Policy, Quota, RateLimitLayer, RateLimiter, filter, key};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::captured_logs;

/// One request an hour for requests that pass the filter, all together.
fn layer(template: &str) -> RateLimitLayer {
    let everybody = key::from_fn(|_| Ok(hardpoint_core::Key::borrowed(b"all")));
    let policy = Policy::new("route", Quota::per_hour(1), everybody);
    let policy = policy.when(filter::route(template.to_owned()));
    let limiter = RateLimiter::builder().policy(policy).time(ManualClock::default());
    limiter.build().unwrap().layer().unwrap()
}

fn users() -> Router {
    Router::new()
        .route("/users/{id}", get(async || "user"))
        .route("/users/me", get(async || "me"))
        .route("/", get(async || "root"))
}

/// Whether the second request for the path is refused.
async fn limits<S, B>(service: S, path: &str) -> bool
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let mut last = StatusCode::OK;
    for _ in 0..2 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        last = service.clone().oneshot(request).await.unwrap().status();
    }
    last == StatusCode::TOO_MANY_REQUESTS
}

#[tokio::test]
async fn a_route_is_found_in_every_place_of_a_router() {
    let (logs, _guard) = captured_logs();
    for template in ["/users/{id}", "/api/users/{id}"] {
        let inside = || users().layer(layer(template));
        assert!(limits(Router::new().nest("/api", inside()), "/api/users/1").await);
        assert!(limits(Router::new().nest_service("/api", inside()), "/api/users/1").await);
        let around = || layer(template).layer(users());
        assert!(limits(Router::new().nest_service("/api", around()), "/api/users/1").await);
        let twice = Router::new().nest("/api", Router::new().nest("/v1", inside()));
        assert_eq!(limits(twice, "/api/v1/users/1").await, template == "/users/{id}");
    }
    let full = layer("/api/users/{id}");
    let nested = || Router::new().nest("/api", users());
    assert!(limits(nested().layer(full.clone()), "/api/users/1").await);
    assert!(limits(Router::new().merge(users()).layer(layer("/users/{id}")), "/users/1").await);
    assert!(limits(layer("/api/users/{id}").layer(nested()), "/api/users/1").await, "around it");
    assert!(limits(Router::new().nest("/api", users().layer(layer("/"))), "/api").await);
    // A limit around a router that is itself nested.
    let middle = Router::new().nest("/v1", users()).layer(layer("/v1/users/{id}"));
    assert!(limits(Router::new().nest("/api", middle), "/api/v1/users/1").await);
    assert_eq!(logs.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn other_routes_are_not_limited() {
    let (logs, _guard) = captured_logs();
    let inside = || users().layer(layer("/users/{id}"));
    for path in ["/api/users/me", "/api/users/1/2", "/api"] {
        assert!(!limits(Router::new().nest("/api", inside()), path).await, "{path}");
    }
    let around = || layer("/users/{id}").layer(users());
    for path in ["/users", "/users/", "/user/1", "/users/1/"] {
        assert!(!limits(around(), path).await, "{path}");
    }
    assert_eq!(logs.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_without_a_router_is_limited_by_its_path() {
    let service = |template: &str| {
        let inner = async |_request| Ok::<_, Infallible>(Response::new(Body::empty()));
        layer(template).layer(service_fn(inner))
    };
    assert!(limits(service("/users/{id}"), "/users/1").await);
    assert!(limits(service("/pkg.Service/Method"), "/pkg.Service/Method").await);
    assert!(!limits(service("/pkg.Service/Method"), "/pkg.Service/Other").await);
    // As tonic mounts a service in a router.
    let mounted = || {
        let inner = async |_request| Ok::<_, Infallible>(Response::new(Body::empty()));
        Router::new().route_service("/pkg.Service/{*rest}", service_fn(inner))
    };
    let inside = mounted().layer(layer("/pkg.Service/Method"));
    assert!(limits(inside, "/pkg.Service/Method").await);
    let inside = mounted().layer(layer("/pkg.Service/Method"));
    assert!(!limits(inside, "/pkg.Service/Other").await);
    // A server that supplies its own routes.
    let own = service("users.show");
    let named = || {
        let mut request = Request::get("/users/1").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Route::from_static("users.show"));
        request
    };
    assert_eq!(own.clone().oneshot(named()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(own.oneshot(named()).await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_template_that_never_matches_is_reported_once() {
    for (template, path) in [
        ("/users/{user_id}", "/users/1"),
        ("/users/:id", "/users/1"),
        ("users/{id}", "/users/1"),
        ("/users/{id}/", "/users/1"),
        ("/Users/{id}", "/users/1"),
        ("/v1/users/{id}", "/users/1"),
        ("/me", "/users/me"),
    ] {
        let (logs, _guard) = captured_logs();
        let service = users().layer(layer(template));
        for _ in 0..3 {
            assert!(!limits(service.clone(), path).await, "{template}");
        }
        let lines = logs.lines();
        assert_eq!(lines.len(), 1, "{template} {lines:?}");
        assert!(lines[0].contains("WARN") && lines[0].contains(template), "{lines:?}");
    }
}

#[tokio::test]
async fn a_filter_that_has_matched_is_not_reported() {
    let (logs, _guard) = captured_logs();
    let router = users().route("/admin/users/{id}", get(async || "")).layer(layer("/users/{id}"));
    assert!(limits(router.clone(), "/users/1").await);
    assert!(!limits(router, "/admin/users/1").await);
    assert_eq!(logs.lines(), Vec::<String>::new());
}
