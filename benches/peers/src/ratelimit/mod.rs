//! The limiter beside governor and throttled, its layer beside tower_governor and axum-governor.

pub(crate) mod check;
mod layer;
pub mod space;

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota as PeerQuota, RateLimiter as PeerLimiter};
use hardpoint::ratelimit::{PolicyHandle, Quota, RateLimiter};

use crate::Named;

/// More than any benchmark asks for: admission is measured. At one cell a second all keys stay in
/// debt, as those of busy clients are.
const BURST: u32 = 4_000_000_000;

fn ours(peak_keys: usize) -> PolicyHandle {
    use hardpoint::{
        core::ClientResolver,
        ratelimit::{Policy, key},
    };

    let key = key::client_network(ClientResolver::direct());
    let policy = Policy::new("client", quota(), key).peak_keys(peak_keys);
    let limiter = RateLimiter::builder().policy(policy).build();
    limiter.and_then(|limiter| limiter.policy("client")).expect("one policy with a plain name")
}

pub(crate) const fn quota() -> Quota {
    Quota::per_second(1).burst(BURST)
}

pub(crate) fn peer() -> DefaultKeyedRateLimiter<IpAddr> {
    PeerLimiter::keyed(peer_quota())
}

fn peer_quota() -> PeerQuota {
    let burst = NonZeroU32::new(BURST).expect("not zero");
    PeerQuota::per_second(NonZeroU32::MIN).allow_burst(burst)
}

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("check, 1 hot address / governor", check::hot_all_in),
        ("check, 1 hot address, 2 threads / governor", check::hot_two_threads),
        ("check, 1 M addresses / governor", check::uniform_one_thread),
        ("check, 1 M addresses, 2 threads / governor", check::uniform_two_threads),
        ("check, 1 M addresses by Zipf 1.1 / governor", check::zipf),
        ("check, 1 hot address / throttled", check::hot_throttled),
        ("check, 1 M addresses / throttled", check::uniform_throttled_one_thread),
        ("check, 1 M addresses, 2 threads / throttled", check::uniform_throttled_two_threads),
        ("layer, no headers / tower_governor", layer::without_headers),
        ("layer, headers / tower_governor", layer::with_headers),
        ("layer, no headers / axum-governor (sends them)", layer::axum_governor_without_headers),
        ("layer, headers / axum-governor", layer::axum_governor_with_headers),
        (
            "layer, no headers, 2 threads / axum-governor (sends them)",
            layer::axum_governor_without_headers_on_two,
        ),
        ("layer, headers, 2 threads / axum-governor", layer::axum_governor_with_headers_on_two),
    ]
}

/// What the [guard](crate::guard) measures.
pub(crate) fn guarded() -> Vec<Named> {
    vec![
        ("limiter, 1 hot address / governor", check::hot_all_in),
        ("limiter, 1 hot address, 2 threads / governor", check::hot_two_threads),
        ("limiter, 1 M addresses / governor", check::uniform_one_thread),
    ]
}
