//! A request with a valid token, through the layer.

use std::convert::Infallible;

use axum07::body::Body;
use hardpoint::auth::{Algorithm, AuthLayer, TokenCache};
use hardpoint_bench_harness::{
    exchange::{exchange, now},
    measure::{Contender, Plan},
    report::Contest,
    tokens::{AUDIENCE, ISSUER, TokenSet},
};
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation, layer::AuthorizationLayer};
use tower_layer::Layer;
use tower_service::Service;

use super::{Claims, LEEWAY, TOKENS, texts, try_out};
use crate::axum_pong::AxumPong;

/// Ours with this cache, or with none as the peer.
pub(super) fn beside_jwt_authorizer(cache: Option<TokenCache>) -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::Rs256, TOKENS);
    let builder = cache.into_iter().fold(set.builder(), |builder, cache| builder.cache(cache));
    let verifier = builder.build().expect("an issuer and an audience");
    let mut ours = AuthLayer::new(verifier).layer(AxumPong);
    let mut peer = jwt_authorizer(&set).layer(AxumPong);
    try_out(&set, |token| is_let_in(&mut ours, token));
    try_out(&set, |token| is_let_in(&mut peer, token));
    Contest::new(through(&set, ours), through(&set, peer)).plan(Plan::prepared()).floor(
        "added by the layer",
        through(&set, AxumPong),
        None,
    )
}

/// With the key set that the issuer publishes: like ours it finds the key by its id and takes only
/// that key's algorithm. It cannot be told to expect a `typ`.
fn jwt_authorizer(set: &TokenSet) -> AuthorizationLayer<Claims> {
    let keys = serde_json::json!({ "keys": [set.key.to_jwk()] }).to_string();
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true).leeway(LEEWAY);
    let authorizer = JwtAuthorizer::<Claims>::from_jwks_text(&keys).validation(validation).build();
    now(authorizer).expect("one key").into_layer()
}

fn through<S, B>(set: &TokenSet, mut service: S) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
    B: http_body::Body,
{
    let headers: Vec<HeaderValue> = texts(set).iter().map(|token| bearer(token)).collect();
    let mut headers = headers.into_iter().cycle();
    let prepare = move || request(headers.next().expect("a cycle has no end"));
    Contender::prepared(prepare, move |request| {
        assert_eq!(exchange(&mut service, request), StatusCode::OK);
    })
}

fn is_let_in<S, B>(service: &mut S, token: &str) -> bool
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    match exchange(service, request(bearer(token))) {
        StatusCode::OK => true,
        StatusCode::UNAUTHORIZED => false,
        other => panic!("a token is accepted or refused, not answered with {other}"),
    }
}

fn request(header: HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert(AUTHORIZATION, header);
    request
}

fn bearer(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).expect("a token is ASCII")
}
