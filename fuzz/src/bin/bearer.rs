//! Any headers with credentials: a line that begins with `a` is an `Authorization`, one with `c` a `Cookie`.
//! Whoever is let in has shown the one token in one place.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{
    convert::Infallible,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hardpoint_auth::{AuthLayer, KeySet, TokenVerifier, VerifyingKey};
use hardpoint_core::{ManualClock, RequestContext};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE},
};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};

hardpoint_fuzz::target!(check);

/// Short enough to be typed by a fuzzer; lines have it in place of the token.
const PLACE: &[u8] = b"TOKEN";
const TOKEN: &str = include_str!("../../../benches/harness/fixtures/eddsa.jwt").trim_ascii_end();
const NAME: &str = "__Host-token";

fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        let (name, value) = match line.split_first() {
            Some((b'a', value)) => (AUTHORIZATION, value),
            Some((b'c', value)) => (COOKIE, value),
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(&with_token(value)) {
            headers.append(name, value);
        }
    }
    let status = call(&LAYER, headers.clone());
    assert!(matches!(status.as_u16(), 200 | 400 | 401), "{status}");
    assert_eq!(status == StatusCode::OK, is_good(&headers), "{status}");
    let optional = call(&LAYER.clone().optional(), headers);
    let is_nobody = status == StatusCode::UNAUTHORIZED && optional.as_u16() == 299;
    assert!(status == optional || is_nobody, "{status}, and {optional} where it is optional");
}

/// The rule, written once more.
fn is_good(headers: &HeaderMap) -> bool {
    let all: Vec<_> = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
    let cookies: Vec<_> =
        cookies.filter_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('=')).collect();
    match (all.as_slice(), cookies.as_slice()) {
        ([line], []) => shows(line),
        ([], [cookie]) => *cookie == TOKEN,
        ([line], [cookie]) => {
            after_scheme(line).is_none() && !joins_bearer(line) && *cookie == TOKEN
        }
        _ => false,
    }
}

/// What stands behind `Bearer`; `None` if it is not that, but perhaps the beginning of another name.
fn after_scheme(line: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = line.split_at_checked(6)?;
    let ends = rest.first().is_none_or(|byte| b" \t".contains(byte));
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then_some(rest)
}

/// Whether a line of another scheme goes on with one of `Bearer`, as a proxy joins two.
fn joins_bearer(line: &[u8]) -> bool {
    let blank = line.iter().position(|byte| b" \t".contains(byte));
    let behind = blank.filter(|place| line.get(*place) == Some(&b' '));
    let text = behind.and_then(|place| std::str::from_utf8(line.get(place..)?).ok());
    let is_bearer = |part: &str| {
        part.trim_start()
            .split([' ', '\t'])
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("bearer"))
    };
    text.is_some_and(|text| text.split(',').skip(1).any(is_bearer))
}

/// Whether nothing but spaces, and at least one, stand between the scheme and the token.
fn shows(line: &[u8]) -> bool {
    let Some(rest) = after_scheme(line) else { return false };
    let mut words = rest.rsplit(|&byte| byte == b' ');
    rest.len() > TOKEN.len()
        && words.next() == Some(TOKEN.as_bytes())
        && words.all(<[u8]>::is_empty)
}

static LAYER: LazyLock<AuthLayer> = LazyLock::new(|| {
    let pem = include_str!("../../../benches/harness/fixtures/eddsa.pem");
    let keys = KeySet::new([VerifyingKey::from_pem(pem).expect("the fixture is a key")]);
    let verifier = TokenVerifier::builder()
        .issuer("https://hardened-api.example", keys.expect("one key"))
        .audience("hardened-api")
        .time(ManualClock::default());
    AuthLayer::new(verifier.build().expect("an issuer and an audience")).cookie(NAME)
});

fn call(layer: &AuthLayer, headers: HeaderMap) -> StatusCode {
    let mut service = layer.layer(service_fn(async |request: Request<()>| {
        // Nobody but for an optional layer.
        let context = RequestContext::find(request.extensions());
        let is_known = context.is_some_and(|context| context.identity().is_some());
        let status = if is_known { 200 } else { 299 };
        let response = Response::builder().status(status).body(Empty::<Bytes>::new());
        Ok::<_, Infallible>(response.expect("a response without headers"))
    }));
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let mut context = Context::from_waker(Waker::noop());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

/// The bytes with the token where it is named.
fn with_token(value: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut rest = value;
    while let Some(place) = rest.windows(PLACE.len()).position(|part| part == PLACE) {
        let (before, after) = rest.split_at(place);
        whole.extend_from_slice(before);
        whole.extend_from_slice(TOKEN.as_bytes());
        rest = after.get(PLACE.len()..).unwrap_or_default();
    }
    whole.extend_from_slice(rest);
    whole
}
