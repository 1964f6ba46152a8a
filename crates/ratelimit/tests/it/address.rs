//! Client addresses through the layer: what a client writes does not change whose bucket it uses.

use std::net::SocketAddr;

use hardpoint_core::{ClientResolver, Family, ManualClock, Peer, TrustedProxies};
use hardpoint_ratelimit::{Policy, Quota, key};
use hardpoint_testkit::TestBody;
use http::{Request, StatusCode};

use hardpoint_ratelimit::RateLimiter;

use super::{ask, limiter};

fn per_client() -> RateLimiter {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let resolver = ClientResolver::new(proxies, Family::XForwarded);
    limiter(
        &ManualClock::default(),
        [Policy::new("client", Quota::per_hour(1), key::client_network(resolver))],
    )
}

fn request(peer: &str, lines: &[&str]) -> Request<TestBody> {
    let mut request = Request::new(TestBody::default());
    request.extensions_mut().insert(Peer::new(peer.parse::<SocketAddr>().unwrap()));
    for line in lines {
        request.headers_mut().append("x-forwarded-for", line.parse().unwrap());
    }
    request
}

/// Whether the second request is counted under the same key as the first.
async fn same(first: Request<TestBody>, second: Request<TestBody>) -> bool {
    let limiter = per_client();
    assert_eq!(ask(&limiter, first).await.status(), StatusCode::OK);
    ask(&limiter, second).await.status() == StatusCode::TOO_MANY_REQUESTS
}

#[tokio::test]
async fn a_stranger_cannot_choose_its_bucket() {
    let stranger = "198.51.100.7:5000";
    for spoofed in [
        &["6.6.6.6"][..],
        &["10.0.0.1"],
        &["6.6.6.6, 10.0.0.1"],
        &["1.1.1.1", "2.2.2.2"],
        &["junk"],
    ] {
        assert!(
            same(request(stranger, &[]), request("198.51.100.7:6000", spoofed)).await,
            "{spoofed:?}"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_only_what_the_proxy_wrote_counts() {
    let proxy = "10.0.0.1:80";
    let client = || request(proxy, &["203.0.113.9"]);
    for spoofed in [
        &["6.6.6.6, 203.0.113.9"][..],
        &["6.6.6.6", "203.0.113.9"],
        &["203.0.113.9:4711"],
        &["junk, 203.0.113.9, 10.9.9.9"],
        &["::ffff:203.0.113.9"],
    ] {
        assert!(same(client(), request(proxy, spoofed)).await, "{spoofed:?}");
    }
    assert!(!same(client(), request(proxy, &["203.0.113.10"])).await);
    // A client that the proxy does not name shares a bucket with the others like it, and with
    // neither the proxy nor an address left of the entry.
    let unnamed = || request(proxy, &["6.6.6.6, <junk>"]);
    assert!(same(unnamed(), request(proxy, &["203.0.113.9, unknown"])).await);
    assert!(!same(request(proxy, &[]), unnamed()).await);
    assert!(!same(request(proxy, &["6.6.6.6"]), unnamed()).await);
}

#[tokio::test]
async fn a_mapped_peer_is_the_ipv4_client_and_an_ipv6_client_is_its_64() {
    assert!(same(request("198.51.100.7:1", &[]), request("[::ffff:198.51.100.7]:2", &[])).await);
    assert!(
        !same(request("[::ffff:198.51.100.7]:1", &[]), request("[::ffff:198.51.100.8]:1", &[]))
            .await
    );
    assert!(same(request("[2001:db8::1]:1", &[]), request("[2001:db8::ffff:1]:1", &[])).await);
    assert!(!same(request("[2001:db8:0:1::1]:1", &[]), request("[2001:db8:0:2::1]:1", &[])).await);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_address_that_axum_hands_on_is_used() {
    use axum::extract::ConnectInfo;

    let from_axum = |address: &str| {
        let mut request = Request::new(TestBody::default());
        request.extensions_mut().insert(ConnectInfo(address.parse::<SocketAddr>().unwrap()));
        request
    };
    assert!(same(from_axum("198.51.100.7:1"), request("198.51.100.7:2", &[])).await);
    assert!(!same(from_axum("198.51.100.7:1"), from_axum("198.51.100.8:1")).await);
}
