//! Paths that no route matches: a fallback outside of authentication, and nothing else, answers them
//! without a token.

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use hardpoint::{
    Stack,
    auth::{AuthLayer, axum::Authenticated},
    edge::{BodyLimitLayer, CatchPanicLayer, ProblemLayer},
};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::authentication;

fn protected() -> Router {
    Router::new().route("/me", get(async |user: Authenticated| user.subject().to_owned()))
}

fn public() -> Router {
    Router::new().route("/status", get(async || "fine"))
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn status<S, B>(service: &S, path: &str, token: Option<&str>) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let request = Request::get(path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let request = request.body(Body::empty()).unwrap();
    service.clone().oneshot(request).await.unwrap().status().as_u16()
}

/// The way that the README shows.
fn beside_each_other(auth: AuthLayer) -> Router {
    let outer = Stack::new().layer(ProblemLayer::new()).layer(CatchPanicLayer::new());
    let inner = outer.inner().layer(auth).layer(BodyLimitLayer::new(1024).with_axum_body());
    protected().layer(inner).merge(public()).fallback(not_found).layer(outer)
}

#[tokio::test]
async fn a_fallback_outside_of_authentication_answers_unknown_paths_and_public_routes_are_public() {
    let (auth, token) = authentication();
    let app = beside_each_other(auth);
    for (path, token, expected) in [
        ("/me", None, 401),
        ("/me", Some("forged"), 401),
        ("/me", Some(token.expose()), 200),
        ("/status", None, 200),
        ("/status", Some("forged"), 200),
        ("/nowhere", None, 404),
        ("/nowhere", Some("forged"), 404),
        ("/me/nowhere", None, 404),
        ("/me/", None, 404),
    ] {
        assert_eq!(status(&app, path, token).await, expected, "{path}");
    }
}

#[tokio::test]
async fn authentication_never_decides_by_the_absence_of_a_route() {
    let (auth, token) = authentication();
    // In a nested part, nested as a service, around the router, and in an outer stack: no layer
    // knows a route there, and every path needs a token.
    let nested = Router::new().nest("/api", protected().layer(auth.clone()));
    let inner = protected().fallback(not_found).layer(auth.clone());
    let as_service = Router::new().nest_service("/api", inner);
    let around = Router::new().nest_service("/api", auth.layer(protected()));
    let bare = Router::new().nest_service(
        "/api",
        auth.layer(service_fn(async |_request: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        })),
    );
    for (name, app) in
        [("nest", nested), ("nest_service", as_service), ("around", around), ("service", bare)]
    {
        assert_eq!(status(&app, "/api/me", None).await, 401, "{name}");
        assert_eq!(status(&app, "/api/me", Some(token.expose())).await, 200, "{name}");
        if name != "nest" {
            assert_eq!(status(&app, "/api/nowhere", None).await, 401, "{name}");
            assert_eq!(status(&app, "/api/", None).await, 401, "{name}");
            assert_eq!(status(&app, "/api", None).await, 401, "{name}");
        }
    }
    let outer = Stack::new().layer(ProblemLayer::new()).layer(auth.clone());
    let app = Router::new().merge(protected()).merge(public()).fallback(not_found).layer(outer);
    for path in ["/me", "/status", "/nowhere", "/"] {
        assert_eq!(status(&app, path, None).await, 401, "{path}");
    }
    assert_eq!(status(&app, "/nowhere", Some(token.expose())).await, 404);
    // Around the whole router, where no route is known yet.
    let app = auth.layer(Router::new().merge(protected()).merge(public()));
    for path in ["/me", "/status", "/nowhere"] {
        assert_eq!(status(&app, path, None).await, 401, "{path}");
    }
}

#[tokio::test]
async fn a_service_without_routes_needs_a_token_for_every_path() {
    let (auth, token) = authentication();
    let plain = auth.layer(service_fn(async |_request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    for path in ["/", "/nowhere", "/pkg.Service/Method"] {
        assert_eq!(status(&plain, path, None).await, 401, "{path}");
        assert_eq!(status(&plain, path, Some(token.expose())).await, 200, "{path}");
    }
}
