use std::net::{IpAddr, Ipv4Addr};

use hardpoint::core::{ClientResolver, Family, TrustedProxies};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};

use super::Scenario;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The client behind three trusted proxies.
#[must_use]
pub fn resolver_three_hops() -> Scenario {
    let trusted = TrustedProxies::new(["10.0.0.0/8"]).expect("a network");
    let resolver = ClientResolver::new(trusted, Family::XForwarded);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (HOST, "api.example"),
        (HeaderName::from_static("x-forwarded-for"), "203.0.113.9, 10.0.0.3, 10.0.0.2"),
        (HeaderName::from_static("x-forwarded-proto"), "https"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Scenario::new(
        || (),
        move |()| {
            let client = resolver.resolve(Some(PEER), &headers);
            assert_eq!(client.ip(), Some(Ipv4Addr::new(203, 0, 113, 9).into()));
        },
    )
}
