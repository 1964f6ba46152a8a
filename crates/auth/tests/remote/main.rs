//! Keys that are fetched, as their users and their issuers meet them.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod conditional;
mod events;
mod faults;
mod issuer;
mod jwks_endpoint;
mod layer;
mod tls;
mod upkeep;

use hardpoint_auth::{KeySet, SigningKey};

const ISSUER: &str = "https://id.example";

/// A key, and the set of it alone as an issuer publishes it.
fn key() -> (SigningKey, String) {
    let key = SigningKey::generate().unwrap();
    let jwks = jwks([&key]);
    (key, jwks)
}

fn jwks<const N: usize>(keys: [&SigningKey; N]) -> String {
    KeySet::new(keys.map(SigningKey::verifying_key)).unwrap().to_jwks().to_string()
}
