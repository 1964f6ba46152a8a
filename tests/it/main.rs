//! Whole stacks, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod axum;
#[cfg(feature = "tonic")]
mod grpc;
mod hyper;
#[cfg(feature = "test")]
mod leak;
mod lookups;
mod order;
mod plain;
mod refusals;
mod streams;
mod tonic;
mod unknown;

use std::sync::LazyLock;

use hardpoint::{
    auth::{AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier},
    core::{ClientResolver, ManualClock, Secret},
    observability::Logs,
    ratelimit::{
        OnMissingKey, Policy, Quota, RateLimitLayer, RateLimiter, SubjectRateLimitLayer, key,
    },
};
use hardpoint_testkit::leak::CapturedLogs;
use tracing::{Dispatch, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt;

/// The lines that this thread logs, until the guard is dropped.
fn captured_logs(filter: &str) -> (CapturedLogs, DefaultGuard) {
    // With one subscriber, tracing caches for all threads whether it wants an event. With two, it
    // asks the one of the thread.
    static SECOND: LazyLock<Dispatch> =
        LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&SECOND);
    let logs = CapturedLogs::default();
    let json = Logs::json("test").filter(filter).layer(logs.writer()).unwrap();
    let subscriber = tracing_subscriber::registry().with(json);
    (logs, tracing::subscriber::set_default(subscriber))
}

/// A layer that verifies tokens, and one that it accepts.
fn authentication() -> (AuthLayer, Secret<str>) {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api");
    let token = issuer.build().unwrap().token("alice@example.org").sign().unwrap();
    let verifier = TokenVerifier::builder().issuer("https://id.example", keys).audience("api");
    (AuthLayer::new(verifier.build().unwrap()), token.into_secret())
}

/// So many requests of one client address, and no more: the clock stands still.
fn per_client(requests: u32) -> RateLimitLayer {
    let client = key::client_network(ClientResolver::direct());
    limiter(Policy::new("client", Quota::per_hour(requests), client)).layer().unwrap()
}

fn per_subject(requests: u32) -> SubjectRateLimitLayer {
    let policy = Policy::new("subject", Quota::per_hour(requests), key::subject());
    limiter(policy.on_missing_key(OnMissingKey::Skip)).by_subject().unwrap()
}

fn limiter(policy: Policy) -> RateLimiter {
    RateLimiter::builder().policy(policy).time(ManualClock::default()).build().unwrap()
}
