//! Whole stacks, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod axum;
mod hyper;
mod leak;
mod order;
mod tonic;

use hardpoint::{
    auth::{AuthLayer, KeySet, Scopes, SigningKey, TokenIssuer, TokenVerifier},
    core::{ClientResolver, ManualClock, Secret},
    ratelimit::{MemoryStore, OnMissingKey, Policy, Quota, RateLimitLayer, key},
};

/// A layer that verifies tokens, and one that it accepts.
fn authentication() -> (AuthLayer, Secret<str>) {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::new(key, "https://id.example", "api");
    let token = issuer.issue("alice@example.org", &Scopes::none()).unwrap();
    (AuthLayer::new(TokenVerifier::new(keys, "https://id.example", "api")), token)
}

/// So many requests of one client address, and no more: the clock stands still.
fn per_client(requests: u32) -> RateLimitLayer<MemoryStore<ManualClock>> {
    let client = key::client_network(ClientResolver::direct());
    let policy = Policy::new("client", Quota::per_hour(requests), client);
    RateLimitLayer::with_clock(policy, ManualClock::default()).unwrap()
}

fn per_subject(requests: u32) -> RateLimitLayer<MemoryStore<ManualClock>> {
    let policy = Policy::new("subject", Quota::per_hour(requests), key::subject())
        .on_missing_key(OnMissingKey::Skip);
    RateLimitLayer::with_clock(policy, ManualClock::default()).unwrap()
}
