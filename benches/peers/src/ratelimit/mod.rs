//! The limiter beside governor, its layer beside tower_governor.

mod check;
mod layer;
pub mod space;

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota as PeerQuota, RateLimiter as PeerLimiter};
use hardpoint::ratelimit::{Quota, RateLimiter};

use crate::Named;

/// More than any benchmark asks for: what is measured is letting in. At one cell a second all keys
/// stay in debt, as those of busy clients are.
const BURST: u32 = 4_000_000_000;

fn ours(peak_keys: usize) -> RateLimiter {
    use hardpoint::{
        core::ClientResolver,
        ratelimit::{Policy, key},
    };

    let key = key::client_network(ClientResolver::direct());
    let policy = Policy::new("client", quota(), key).peak_keys(peak_keys);
    RateLimiter::builder().policy(policy).build().expect("one policy with a plain name")
}

const fn quota() -> Quota {
    Quota::per_second(1).burst(BURST)
}

fn peer() -> DefaultKeyedRateLimiter<IpAddr> {
    let burst = NonZeroU32::new(BURST).expect("not zero");
    PeerLimiter::keyed(PeerQuota::per_second(NonZeroU32::MIN).allow_burst(burst))
}

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("check, 1 hot address, all in", check::hot_all_in),
        ("check, 1 hot address, by the store", check::hot_by_store),
        ("check, 1 hot address, time and digest given", check::hot_digested),
        ("check, 1 hot address, 2 threads", check::hot_two_threads),
        ("check, 1 M addresses, 1 thread", check::uniform_one_thread),
        ("check, 1 M addresses, 2 threads", check::uniform_two_threads),
        ("check, 1 M addresses by Zipf 1.1, 1 thread", check::zipf),
        ("layer, let in, no headers", layer::without_headers),
        ("layer, let in, with headers", layer::with_headers),
    ]
}
