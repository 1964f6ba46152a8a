//! Authentication as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alloc;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod contract;
mod foreign;
mod leak;

use hardpoint_auth::{AuthLayer, KeySet, Scopes, SigningKey, TokenIssuer, TokenVerifier};
use hardpoint_core::Secret;
use hardpoint_testkit::TestBody;
use http::{Request, header::AUTHORIZATION};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "api";

/// An issuer and the layer that trusts it.
fn pair() -> (TokenIssuer, AuthLayer) {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let layer = AuthLayer::new(TokenVerifier::new(keys, ISSUER, AUDIENCE));
    (TokenIssuer::new(key, ISSUER, AUDIENCE), layer)
}

fn token(issuer: &TokenIssuer, scopes: &str) -> Secret<str> {
    issuer.issue("alice", &scopes.parse::<Scopes>().unwrap()).unwrap()
}

fn with(authorization: &str) -> Request<TestBody> {
    Request::builder().header(AUTHORIZATION, authorization).body(TestBody::default()).unwrap()
}
