//! Any lines of `X-Forwarded-For` and of `Forwarded`: the client is an address with nothing but trusted
//! addresses right of it. It is the peer only if the list has no entry.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
        match (family, client.ip()) {
            (Family::Forwarded, None) => {}
            (Family::Forwarded, Some(PEER)) => assert!(is_empty(&lines) || is_named(&lines, PEER)),
            (Family::Forwarded, Some(found)) => assert!(is_named(&lines, found), "{found}"),
            (_, found) => assert_eq!(found, walk(&lines)),
        }
        assert_eq!(resolve(family, STRANGER, &lines).ip(), Some(STRANGER));
        let resolver = ClientResolver::new(TRUSTED.clone(), family);
        let network = resolver.network_prefix(Some(PEER), &headers(family, &lines), 32, 64);
        assert_eq!(network, client.network());
        // Nothing left of an entry without an address is read.
        for place in 0..lines.len().min(4) {
            let (left, right) = lines.split_at(place);
            let unknown: &[u8] =
                if family == Family::Forwarded { b"for=unknown" } else { b"unknown" };
            let broken = resolve(family, PEER, &[left, &[unknown], right].concat());
            let alone = resolve(family, PEER, &[&[unknown], right].concat());
            assert_eq!(broken.ip(), alone.ip());
            assert!(family == Family::XForwarded || broken == alone);
        }
        if let Some(host) = client.host().map(Host::as_str) {
            assert!((1..=Host::MAX_LEN).contains(&host.len()));
            assert!(
                host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
            );
            // A quoted host may have escapes.
            let plain: Vec<u8> = data.iter().copied().filter(|&byte| byte != b'\\').collect();
            assert!(plain.windows(host.len()).any(|part| part == host.as_bytes()));
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
fn walk(lines: &[&[u8]]) -> Option<IpAddr> {
    let list = lines.join(&b',');
    let entries = list.rsplit(|&byte| byte == b',').map(trim);
    let mut reached = PEER;
    for entry in entries.filter(|entry| !entry.is_empty()).take(MAX_HOPS) {
        reached = address(entry)?;
        if !TRUSTED.contains(reached) {
            break;
        }
    }
    Some(reached)
}

fn trim(mut entry: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = entry {
        entry = rest;
    }
    entry
}

/// An address as proxies write it, read by the standard library as far as it goes.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(v4.into());
    }
    if let Some((v4, port)) = text.split_once(':')
        && let Ok(v4) = v4.parse::<Ipv4Addr>()
    {
        return is_port(port).then_some(v4.into());
    }
    let (inner, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => (text, ""),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let (v6, zone) = inner.split_once('%').unwrap_or((inner, "none"));
    let is_zone = zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
    (is_port && is_zone && !zone.is_empty()).then_some(())?;
    Some(IpAddr::from(v6.parse::<Ipv6Addr>().ok()?).to_canonical())
}

/// A number of up to five digits, or an obfuscated port.
fn is_port(text: &str) -> bool {
    let mut bytes = text.bytes();
    match text.strip_prefix('_') {
        Some(rest) => {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&text.len()) && bytes.all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether the list has no entry.
fn is_empty(lines: &[&[u8]]) -> bool {
    lines.iter().all(|line| line.iter().all(|byte| b",; \t".contains(byte)))
}

/// Whether a `for=` of a line may mean this address, however the line is taken apart.
fn is_named(lines: &[&[u8]], wanted: IpAddr) -> bool {
    let places =
        lines.iter().flat_map(|line| (0..line.len()).filter_map(|place| line.get(place..)));
    let named = places.filter_map(|rest| {
        let (name, value) = rest.split_at_checked(4)?;
        let end = value.iter().position(|byte| b",;".contains(byte)).unwrap_or(value.len());
        let text = std::str::from_utf8(value.get(..end)?).ok()?.replace('\\', "");
        name.eq_ignore_ascii_case(b"for=").then_some(())?;
        address(text.trim_matches([' ', '\t']).trim_matches('"').as_bytes())
    });
    named.into_iter().any(|address| address == wanted)
}

/// The same entries, quoted as `Forwarded` wants them.
fn both_families_say_the_same(lines: &[&[u8]]) {
    if lines.iter().any(|line| line.contains(&b'"') || line.contains(&b'\\')) {
        return;
    }
    let quote = |entry: &[u8]| [br#"for=""#, entry, br#"""#].concat();
    let quoted = lines.iter().map(|line| {
        let entries = line.split(|&byte| byte == b',').map(trim);
        let entries: Vec<_> = entries.filter(|entry| !entry.is_empty()).map(quote).collect();
        entries.join(&b',')
    });
    let quoted: Vec<_> = quoted.collect();
    let quoted: Vec<_> = quoted.iter().map(Vec::as_slice).collect();
    assert_eq!(resolve(Family::Forwarded, PEER, &quoted).ip(), walk(lines));
}
