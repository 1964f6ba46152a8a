//! Every form in which a header can name a client, including spoofed ones.

mod tables;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use self::tables::{Case, FORWARDED, X_FORWARDED_FOR};
use super::*;

const PROXY: &str = "10.0.0.1";
/// The client has no address.
const UNNAMED: &str = "unnamed";

fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"]).unwrap()
}

fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
    let name = HeaderName::from_static(name);
    lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
}

fn resolve(family: Family, peer: &str, headers: &HeaderMap) -> Client {
    ClientResolver::new(trusted(), family).resolve(Some(peer.parse().unwrap()), headers)
}

fn ip(text: &str) -> Option<IpAddr> {
    (text != UNNAMED).then(|| text.parse().unwrap())
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    for Case { name, lines, expected } in X_FORWARDED_FOR {
        let client = resolve(Family::XForwarded, PROXY, &headers("x-forwarded-for", lines));
        assert_eq!(client.ip(), ip(expected), "{name}: {lines:?}");
    }
}

#[test]
fn forwarded_is_walked_from_the_right() {
    for Case { name, lines, expected } in FORWARDED {
        let client = resolve(Family::Forwarded, PROXY, &headers("forwarded", lines));
        assert_eq!(client.ip(), ip(expected), "{name}: {lines:?}");
    }
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_sends() {
    let mut all = headers("x-forwarded-for", &["6.6.6.6, 10.1.1.1"]);
    all.extend(headers("forwarded", &["for=6.6.6.6;proto=https;host=evil.example"]));
    all.extend(headers("x-forwarded-proto", &["https"]));
    all.extend(headers("x-forwarded-host", &["evil.example"]));
    all.extend(headers("host", &["good.example"]));
    for family in [Family::XForwarded, Family::Forwarded] {
        let client = resolve(family, "198.51.100.7", &all);
        assert_eq!(client.ip(), ip("198.51.100.7"));
        assert_eq!(client.scheme(), Scheme::Http);
        assert_eq!(client.host().map(Host::as_str), Some("good.example"));
        assert!(!client.through_proxy());
        assert!(resolve(family, PROXY, &all).through_proxy());
    }
}

#[test]
fn the_other_family_is_never_read() {
    let x = headers("x-forwarded-for", &["6.6.6.6"]);
    assert_eq!(resolve(Family::Forwarded, PROXY, &x).ip(), ip(PROXY));
    let forwarded = headers("forwarded", &["for=6.6.6.6"]);
    assert_eq!(resolve(Family::XForwarded, PROXY, &forwarded).ip(), ip(PROXY));
    let mut both = x;
    both.extend(headers("forwarded", &["for=203.0.113.9"]));
    assert_eq!(resolve(Family::Forwarded, PROXY, &both).ip(), ip("203.0.113.9"));
    both.extend(headers("x-real-ip", &["6.6.6.7"]));
    assert_eq!(resolve(Family::XForwarded, PROXY, &both).ip(), ip("6.6.6.6"));
}

#[test]
fn a_mapped_peer_is_the_proxy_it_maps_to() {
    let headers = headers("x-forwarded-for", &["203.0.113.9"]);
    let client = resolve(Family::XForwarded, "::ffff:10.0.0.1", &headers);
    assert_eq!(client.ip(), ip("203.0.113.9"));
    let direct = ClientResolver::direct().resolve(ip("::ffff:198.51.100.7"), &HeaderMap::new());
    assert_eq!(direct.ip(), ip("198.51.100.7"));
    assert_eq!(direct.network(), ip("198.51.100.7"), "canonical before masking");
}

#[test]
fn an_unknown_peer_has_no_address_and_no_voice() {
    let headers = headers("x-forwarded-for", &["6.6.6.6"]);
    let resolver = ClientResolver::new(TrustedProxies::insecure_everyone(), Family::XForwarded);
    assert_eq!(resolver.resolve(None, &headers).ip(), None);
    assert_eq!(resolver.resolve(None, &headers).network(), None);
    assert_eq!(resolver.resolve(ip("2001:db8::1"), &headers).ip(), ip("6.6.6.6"));
}

#[test]
fn scheme_and_host_are_those_of_the_same_hop() {
    let mut map = headers("x-forwarded-for", &["6.6.6.6, 203.0.113.9, 10.1.1.1"]);
    map.extend(headers("host", &["inner.example"]));
    let client = resolve(Family::XForwarded, PROXY, &map);
    assert_eq!((client.scheme(), client.host().unwrap().as_str()), (Scheme::Http, "inner.example"));

    // The list is as long as the list of addresses: the entry at the same position counts.
    map.extend(headers("x-forwarded-proto", &["http, https, http"]));
    map.extend(headers("x-forwarded-host", &["evil.example, api.example:8443", "inner.example"]));
    let client = resolve(Family::XForwarded, PROXY, &map);
    assert_eq!(client.scheme(), Scheme::Https);
    assert_eq!(client.host().unwrap().as_str(), "api.example:8443");
    assert_eq!(client.host().unwrap().name(), "api.example");

    // The lists are aligned at the right, however long they are.
    map.insert("x-forwarded-proto", HeaderValue::from_static("https, http"));
    assert_eq!(resolve(Family::XForwarded, PROXY, &map).scheme(), Scheme::Https);
    map.insert("x-forwarded-proto", HeaderValue::from_static("http, http, https, http"));
    assert_eq!(resolve(Family::XForwarded, PROXY, &map).scheme(), Scheme::Https);
    map.insert("x-forwarded-proto", HeaderValue::from_static("http, https, , http,"));
    assert_eq!(resolve(Family::XForwarded, PROXY, &map).scheme(), Scheme::Https);

    // One proxy overwrote the header: its only entry counts.
    map.insert("x-forwarded-proto", HeaderValue::from_static("HTTPS"));
    assert_eq!(resolve(Family::XForwarded, PROXY, &map).scheme(), Scheme::Https);

    let map = headers(
        "forwarded",
        &[
            "for=6.6.6.6;proto=http;host=evil.example, for=203.0.113.9;host=\"api.example\";proto=https, for=10.1.1.1;proto=http",
        ],
    );
    let client = resolve(Family::Forwarded, PROXY, &map);
    assert_eq!((client.scheme(), client.host().unwrap().as_str()), (Scheme::Https, "api.example"));
}

#[test]
fn a_host_that_is_none_is_not_passed_on() {
    for bad in ["a b", "a/b", "user@host", "a,b", "<script>", "", "a\\b", "h\u{f6}st"] {
        let client = resolve(Family::XForwarded, "198.51.100.7", &headers("host", &[bad]));
        assert_eq!(client.host(), None, "{bad:?}");
    }
    let twice = headers("host", &["a.example", "b.example"]);
    assert_eq!(resolve(Family::XForwarded, "198.51.100.7", &twice).host(), None);
    let long = "a".repeat(Host::MAX_LEN + 1);
    let long = headers("host", &[&long]);
    assert_eq!(resolve(Family::XForwarded, "198.51.100.7", &long).host(), None);
    assert!(Host::from_authority(&"user:pass@a.example".parse().unwrap()).is_none());
    assert_eq!(
        Host::from_authority(&"[2001:db8::1]:80".parse().unwrap()).unwrap().name(),
        "[2001:db8::1]"
    );
}

#[test]
fn the_network_of_an_ipv6_client_is_its_64() {
    let client = resolve(Family::XForwarded, "2001:db8:1:2:3:4:5:6", &HeaderMap::new());
    assert_eq!(client.network(), ip("2001:db8:1:2::"));
}

#[test]
fn networks_of_any_size_are_counted_together() {
    let client = |peer: &str| resolve(Family::XForwarded, peer, &HeaderMap::new());
    let v6 = client("2001:db8:1:2:3:4:5:6");
    assert_eq!(v6.network_prefix(32, 48), ip("2001:db8:1::"));
    assert_eq!(v6.network_prefix(32, 128), ip("2001:db8:1:2:3:4:5:6"));
    assert_eq!(v6.network_prefix(32, 255), ip("2001:db8:1:2:3:4:5:6"));
    assert_eq!(v6.network_prefix(32, 0), ip("::"));
    let v4 = client("203.0.113.9");
    assert_eq!(v4.network_prefix(24, 64), ip("203.0.113.0"));
    assert_eq!(v4.network_prefix(0, 64), ip("0.0.0.0"));
    assert_eq!(v4.network_prefix(99, 64), ip("203.0.113.9"));
    // Clients behind a translator between IPv4 and IPv6 do not share one bucket.
    assert_eq!(client("64:ff9b::203.0.113.9").network(), ip("203.0.113.9"));
    assert_eq!(client("64:ff9b::203.0.113.10").network(), ip("203.0.113.10"));
}

#[test]
fn debug_hides_the_address() {
    let client = resolve(Family::XForwarded, "203.0.113.9", &HeaderMap::new());
    assert!(!format!("{client:?}").contains("203"), "{client:?}");
}

#[test]
fn a_huge_header_stops_after_32_hops() {
    let many = vec!["10.1.1.1"; 20_000].join(",");
    let value = format!("203.0.113.9,{many}");
    let client = resolve(Family::XForwarded, PROXY, &headers("x-forwarded-for", &[&value]));
    assert_eq!(client.ip(), ip("10.1.1.1"));
    let quotes = "\"".repeat(100_000);
    let client = resolve(Family::Forwarded, PROXY, &headers("forwarded", &[&quotes]));
    assert_eq!(client.ip(), None);
    let commas = format!("203.0.113.9{}", ",".repeat(100_000));
    let client = resolve(Family::XForwarded, PROXY, &headers("x-forwarded-for", &[&commas]));
    assert_eq!(client.ip(), ip("203.0.113.9"));
}

#[test]
fn networks_are_checked_where_they_are_written() {
    assert!(matches!(TrustedProxies::new(["10.0.0.0/33"]), Err(ConfigError::ProxyNetwork { .. })));
    assert!(matches!(TrustedProxies::new(["proxy"]), Err(ConfigError::ProxyNetwork { .. })));
    assert!(matches!(TrustedProxies::new(["0.0.0.0/0"]), Err(ConfigError::ProxyEveryone { .. })));
    assert!(matches!(TrustedProxies::new(["::/0"]), Err(ConfigError::ProxyEveryone { .. })));
    assert!(matches!(
        TrustedProxies::new(["::ffff:0:0/96"]),
        Err(ConfigError::ProxyEveryone { .. })
    ));
    let error = TrustedProxies::new(["10.0.0.1/8"]).unwrap_err();
    assert!(error.to_string().contains("10.0.0.1/8") && error.to_string().contains("`10.0.0.0/8`"));
    let mapped = TrustedProxies::new([" ::ffff:10.0.0.0/104 "]).unwrap();
    assert!(mapped.contains("10.255.0.1".parse().unwrap()));
    assert!(!mapped.contains("11.0.0.1".parse().unwrap()));
    assert!(!TrustedProxies::none().contains("127.0.0.1".parse().unwrap()));
}

#[test]
fn a_list_that_ends_earlier_applies_with_its_leftmost_entry() {
    for (schemes, expected) in [
        (&["https, http"][..], Scheme::Https),
        (&["https", "http"], Scheme::Https),
        (&["https", "", "http"], Scheme::Https),
        (&["http, https"], Scheme::Http),
        (&["https"], Scheme::Https),
        (&["wss"], Scheme::Https),
        (&["ftp"], Scheme::Http),
        (&[""], Scheme::Http),
        (&[], Scheme::Http),
    ] {
        // The client is the third from the right.
        let mut map = headers("x-forwarded-for", &["203.0.113.9, 10.1.1.2, 10.1.1.1"]);
        map.extend(headers("x-forwarded-proto", schemes));
        assert_eq!(resolve(Family::XForwarded, PROXY, &map).scheme(), expected, "{schemes:?}");
    }
}

#[test]
fn scheme_and_host_of_a_client_without_an_address_are_read_unless_the_entry_is_malformed() {
    let of = |line: &str| {
        let client = resolve(Family::Forwarded, PROXY, &headers("forwarded", &[line]));
        assert_eq!(client.ip(), None, "{line}");
        (client.scheme(), client.host().map(|host| host.as_str().to_owned()))
    };
    let named = (Scheme::Https, Some("a.example".to_owned()));
    assert_eq!(of("for=unknown;proto=https;host=a.example"), named);
    assert_eq!(of("for=_hidden;proto=\"https\";host=\"a.example\""), named);
    assert_eq!(of("proto=https;host=\"a\\.example\""), named);
    assert_eq!(of("for=junk;proto=https;host=a.example"), (Scheme::Http, None));
    assert_eq!(of("for=_a;for=_b;proto=https;host=a.example"), (Scheme::Http, None));
    let mut map = headers("x-forwarded-for", &["6.6.6.6, unknown, 10.1.1.1"]);
    map.extend(headers("x-forwarded-proto", &["http, https, http"]));
    let client = resolve(Family::XForwarded, PROXY, &map);
    assert_eq!((client.ip(), client.scheme()), (None, Scheme::Https));
}

#[test]
fn a_proxy_that_writes_only_the_scheme_is_the_client_over_https() {
    let client = resolve(Family::XForwarded, PROXY, &headers("x-forwarded-proto", &["https"]));
    assert_eq!((client.ip(), client.scheme()), (ip(PROXY), Scheme::Https));
}

#[test]
fn a_trusted_unix_socket_names_clients_and_an_address_is_still_checked() {
    let proxied = headers("x-forwarded-for", &["203.0.113.9"]);
    let resolvers = [
        ClientResolver::direct().trust_unix_socket(),
        ClientResolver::new(trusted(), Family::XForwarded).trust_unix_socket(),
    ];
    for resolver in resolvers {
        let client = resolver.resolve(None, &proxied);
        assert_eq!(client.ip(), ip("203.0.113.9"));
        assert!(client.through_proxy());
        assert_eq!(resolver.network_prefix(None, &proxied, 32, 64), client.network());
        assert_eq!(resolver.resolve(ip("198.51.100.7"), &proxied).ip(), ip("198.51.100.7"));
        // The proxy's own request: a Unix socket has no address.
        assert_eq!(resolver.resolve(None, &HeaderMap::new()).ip(), None);
    }
}

proptest! {
    /// The entry that the proxy appended decides, regardless of the text to its left.
    #[test]
    fn nothing_on_the_left_changes_the_client(junk in "[ -~]{0,60}", second in any::<bool>()) {
        for (family, name, appended) in [
            (Family::XForwarded, "x-forwarded-for", "203.0.113.9"),
            (Family::Forwarded, "forwarded", "for=203.0.113.9;proto=https"),
        ] {
            let joined = format!("{junk}, {appended}");
            let lines = if second { vec![junk.as_str(), appended] } else { vec![joined.as_str()] };
            let client = resolve(family, PROXY, &headers(name, &lines));
            prop_assert_eq!(client.ip(), ip("203.0.113.9"));
        }
    }

    /// No bytes make the resolver panic or trust an untrusted peer.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            for (family, name) in [(Family::XForwarded, "x-forwarded-for"), (Family::Forwarded, "forwarded")] {
                let map = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
                let _client = resolve(family, PROXY, &map);
                prop_assert_eq!(resolve(family, "198.51.100.7", &map).ip(), ip("198.51.100.7"));
            }
        }
    }
}
