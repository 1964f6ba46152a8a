//! Authentication as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alloc;
mod api_keys;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod contract;
mod cookies;
#[cfg(feature = "redis")]
mod faults;
mod foreign;
mod later;
mod layers;
mod leak;
mod lockout;
mod one_time;
mod sessions;

use hardpoint_auth::{
    AuthLayer, IssuedToken, IssuerKeys, KeySet, SigningKey, TokenIssuer, TokenSigner,
    TokenVerifier, TokenVerifierBuilder,
};
use hardpoint_testkit::TestBody;
use http::{Request, header::AUTHORIZATION};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "api";

/// What verifies the tokens of the issuer with these keys.
fn verifier(keys: impl Into<IssuerKeys>) -> TokenVerifierBuilder {
    TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE)
}

fn issuer(key: impl Into<TokenSigner>) -> TokenIssuer {
    TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).build().unwrap()
}

/// An issuer and the layer that trusts it.
fn pair() -> (TokenIssuer, AuthLayer) {
    let (issuer, builder) = issuer_and_builder();
    (issuer, AuthLayer::new(builder.build().unwrap()))
}

fn issuer_and_builder() -> (TokenIssuer, TokenVerifierBuilder) {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    (issuer(key), verifier(keys))
}

fn token(issuer: &TokenIssuer, scopes: &str) -> IssuedToken {
    let scopes = scopes.split(' ').filter(|name| !name.is_empty());
    issuer.token("alice").scopes(scopes).sign().unwrap()
}

fn with(authorization: &str) -> Request<TestBody> {
    Request::builder().header(AUTHORIZATION, authorization).body(TestBody::default()).unwrap()
}
