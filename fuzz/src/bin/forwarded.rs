//! Any lines of `X-Forwarded-For` and of `Forwarded`: the client is the peer, or an address that stands in
//! a line with nothing but trusted addresses right of it.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4},
    sync::LazyLock,
};

use hardpoint_core::{Client, ClientResolver, Family, Host, TrustedProxies};
use http::{HeaderMap, HeaderValue};

hardpoint_fuzz::target!(check);

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const MAX_HOPS: usize = 32;

static TRUSTED: LazyLock<TrustedProxies> = LazyLock::new(|| {
    TrustedProxies::new(["10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"]).expect("networks")
});

fn check(data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(|line| HeaderValue::from_bytes(line).is_ok()).collect();
    for family in [Family::XForwarded, Family::Forwarded] {
        let client = resolve(family, PEER, &lines);
        let found = client.ip().expect("the peer is known");
        let is_named = match family {
            Family::Forwarded => named(&lines).any(|address| address == found),
            _ => walk(&lines) == found,
        };
        assert!(is_named || (family == Family::Forwarded && found == PEER), "{found}");
        assert_eq!(resolve(family, STRANGER, &lines).ip(), Some(STRANGER));
        let resolver = ClientResolver::new(TRUSTED.clone(), family);
        let network = resolver.network_prefix(Some(PEER), &headers(family, &lines), 32, 64);
        assert_eq!(network, client.network());
        // What stands left of something that cannot be read is as good as absent.
        for place in 0..lines.len().min(4) {
            let (left, right) = lines.split_at(place);
            let broken = resolve(family, PEER, &[left, &[b"for=unknown"], right].concat());
            let alone = resolve(family, PEER, right);
            assert_eq!(broken.ip(), alone.ip());
            assert!(family == Family::XForwarded || broken == alone);
        }
        if let Some(host) = client.host().map(Host::as_str) {
            assert!((1..=Host::MAX_LEN).contains(&host.len()));
            assert!(
                host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
            );
            assert!(data.windows(host.len()).any(|part| part == host.as_bytes()));
        }
    }
    both_families_say_the_same(&lines);
}

fn resolve(family: Family, peer: IpAddr, lines: &[&[u8]]) -> Client {
    let headers = headers(family, lines);
    ClientResolver::new(TRUSTED.clone(), family).resolve(Some(peer), &headers)
}

/// The lines are those of addresses, of schemes and of hosts alike.
fn headers(family: Family, lines: &[&[u8]]) -> HeaderMap {
    let names: &[&'static str] = match family {
        Family::Forwarded => &["forwarded"],
        _ => &["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"],
    };
    let mut headers = HeaderMap::new();
    for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        for &name in names {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// The rule for `X-Forwarded-For`, written once more.
fn walk(lines: &[&[u8]]) -> IpAddr {
    let list = lines.join(&b',');
    let mut reached = PEER;
    for entry in list.rsplit(|&byte| byte == b',').take(MAX_HOPS) {
        let Some(address) = address(entry) else { break };
        reached = address;
        if !TRUSTED.contains(address) {
            break;
        }
    }
    reached
}

/// An address as proxies write it, read by the standard library as far as it goes.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(v4.into());
    }
    if let Ok(with_port) = text.parse::<SocketAddrV4>() {
        return Some((*with_port.ip()).into());
    }
    let (inner, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => (text, ""),
    };
    let is_port = port.is_empty() || format!("0.0.0.0{port}").parse::<SocketAddrV4>().is_ok();
    let (v6, zone) = inner.split_once('%').unwrap_or((inner, "none"));
    (is_port && !zone.is_empty()).then_some(())?;
    Some(IpAddr::from(v6.parse::<Ipv6Addr>().ok()?).to_canonical())
}

/// Every address that a `for=` of a line may mean, however the line is taken apart.
fn named(lines: &[&[u8]]) -> impl Iterator<Item = IpAddr> {
    let places =
        lines.iter().flat_map(|line| (0..line.len()).filter_map(|place| line.get(place..)));
    places.filter_map(|rest| {
        let (name, value) = rest.split_at_checked(4)?;
        let end = value.iter().position(|byte| b",;".contains(byte)).unwrap_or(value.len());
        let text = std::str::from_utf8(value.get(..end)?).ok()?;
        name.eq_ignore_ascii_case(b"for=").then_some(())?;
        address(text.trim_matches([' ', '\t']).trim_matches('"').as_bytes())
    })
}

/// The same entries, quoted as `Forwarded` wants them.
fn both_families_say_the_same(lines: &[&[u8]]) {
    if lines.iter().any(|line| line.contains(&b'"') || line.contains(&b'\\')) {
        return;
    }
    let quote = |entry: &[u8]| [br#"for=""#, entry, br#"""#].concat();
    let quoted = lines.iter().map(|line| {
        let entries: Vec<_> = line.split(|&byte| byte == b',').map(quote).collect();
        entries.join(&b',')
    });
    let quoted: Vec<_> = quoted.collect();
    let quoted: Vec<_> = quoted.iter().map(Vec::as_slice).collect();
    assert_eq!(resolve(Family::Forwarded, PEER, &quoted).ip(), Some(walk(lines)));
}
