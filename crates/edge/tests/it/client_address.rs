//! Who is calling, and what is left of the headers that said so.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use hardpoint_core::{
    Client, ClientResolver, Family, ManualClock, Peer, RequestContext, Scheme, Time, TrustedProxies,
};
use hardpoint_edge::ClientLayer;
use http::{HeaderMap, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::captured_logs;

const PROXY: &str = "10.0.0.1:4711";
const STRANGER: &str = "198.51.100.7:4711";

fn trusting(family: Family) -> ClientLayer {
    let trusted = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    ClientLayer::new(ClientResolver::new(trusted, family))
}

fn request(peer: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let peer = Peer::new(peer.parse().unwrap());
    request.extensions_mut().insert(peer);
    request
}

/// What the inner service sees.
async fn seen(
    layer: &ClientLayer,
    request: Request<()>,
) -> (Option<Arc<RequestContext>>, HeaderMap) {
    let inner = service_fn(|request: Request<()>| async move {
        let context = RequestContext::find(request.extensions()).map(Arc::clone);
        Ok::<_, Infallible>(Response::new((context, request.headers().clone())))
    });
    layer.layer(inner).oneshot(request).await.unwrap().into_body()
}

async fn client(layer: &ClientLayer, request: Request<()>) -> Client {
    let (context, _) = seen(layer, request).await;
    context.unwrap().client().unwrap().clone()
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

const BOTH: &[(&str, &str)] = &[
    ("forwarded", "for=203.0.113.1;proto=https;host=f.example"),
    ("x-forwarded-for", "203.0.113.2"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "x.example"),
    ("x-real-ip", "203.0.113.3"),
    ("host", "h.example"),
];

#[tokio::test]
async fn a_trusted_proxy_is_believed_in_its_family_and_the_other_one_goes() {
    let layer = trusting(Family::XForwarded);
    let (context, headers) = seen(&layer, request(PROXY, BOTH)).await;
    let client = context.unwrap().client().unwrap().clone();
    assert_eq!(client.ip(), ip("203.0.113.2"));
    assert_eq!(client.scheme(), Scheme::Https);
    assert_eq!(client.host().unwrap().as_str(), "x.example");
    assert!(client.through_proxy());
    assert_eq!(
        names(&headers),
        ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
    );

    let layer = trusting(Family::Forwarded);
    let (context, headers) = seen(&layer, request(PROXY, BOTH)).await;
    assert_eq!(context.unwrap().client().unwrap().ip(), ip("203.0.113.1"));
    assert_eq!(names(&headers), ["forwarded", "host"]);
}

#[tokio::test]
async fn a_stranger_is_not_believed_and_its_headers_go_no_further() {
    for family in [Family::XForwarded, Family::Forwarded] {
        let (context, headers) = seen(&trusting(family), request(STRANGER, BOTH)).await;
        let client = context.unwrap().client().unwrap().clone();
        assert_eq!(client.ip(), ip("198.51.100.7"));
        assert_eq!(client.scheme(), Scheme::Http);
        assert_eq!(client.host().unwrap().as_str(), "h.example");
        assert_eq!(names(&headers), ["host"]);
    }
}

#[tokio::test]
async fn by_default_nobody_is_believed() {
    let (context, headers) = seen(&ClientLayer::default(), request(PROXY, BOTH)).await;
    assert_eq!(context.unwrap().client().unwrap().ip(), ip("10.0.0.1"));
    assert_eq!(names(&headers), ["host"]);
}

#[tokio::test]
async fn a_request_without_a_host_header_has_the_host_of_its_target() {
    let layer = trusting(Family::XForwarded);
    let to = |peer, headers| {
        let mut request = request(peer, headers);
        *request.uri_mut() = "https://target.example:8443/path".parse().unwrap();
        request
    };
    let found = client(&layer, to(STRANGER, &[])).await;
    assert_eq!(found.host().unwrap().as_str(), "target.example:8443");
    let found = client(&layer, to(STRANGER, &[("host", "h.example")])).await;
    assert_eq!(found.host().unwrap().as_str(), "h.example");
    let proxied = &[("x-forwarded-for", "203.0.113.2"), ("x-forwarded-host", "x.example")];
    let found = client(&layer, to(PROXY, proxied)).await;
    assert_eq!(found.host().unwrap().as_str(), "x.example");
}

#[tokio::test]
async fn the_host_of_a_target_with_a_password_is_no_host() {
    let mut request = request(STRANGER, &[]);
    *request.uri_mut() = "https://alice:secret@target.example/".parse().unwrap();
    assert_eq!(client(&trusting(Family::XForwarded), request).await.host(), None);
}

#[tokio::test]
async fn a_client_that_was_found_further_out_stays() {
    let outer = ClientResolver::direct().resolve(ip("192.0.2.1"), &HeaderMap::new());
    let mut request = request(STRANGER, &[]);
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    assert!(context.set_client(outer));
    let found = client(&trusting(Family::XForwarded), request).await;
    assert_eq!(found.ip(), ip("192.0.2.1"));
}

#[tokio::test]
async fn the_context_is_made_with_the_time_of_the_clock() {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(5));
    let layer = ClientLayer::default().time(&clock);
    let (context, _) = seen(&layer, request(STRANGER, &[])).await;
    assert_eq!(context.unwrap().received(), Time::manual(&clock).now());
}

#[tokio::test]
async fn a_layer_that_is_off_touches_nothing() {
    let (context, headers) = seen(&ClientLayer::off(), request(STRANGER, BOTH)).await;
    assert!(context.is_none());
    assert_eq!(headers.len(), BOTH.len());
}

#[tokio::test]
async fn a_server_that_does_not_say_who_connects_is_reported_once() {
    let (logs, _guard) = captured_logs();
    let layer = trusting(Family::XForwarded);
    for _ in 0..3 {
        // With no peer, no header is believed.
        let mut request = request(PROXY, BOTH);
        request.extensions_mut().remove::<Peer>();
        assert_eq!(client(&layer, request).await.ip(), None);
    }
    let lines = logs.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("no peer address")));
}

#[tokio::test]
async fn a_trusted_proxy_that_names_no_client_is_reported_once_for_a_resolver() {
    for (family, headers, expected, found) in [
        (Family::XForwarded, &[][..], "x-forwarded-for", None),
        (Family::XForwarded, &[("forwarded", "for=1.2.3.4")], "x-forwarded-for", Some("forwarded")),
        (Family::XForwarded, &[("x-forwarded-proto", "https")], "x-forwarded-for", None),
        (Family::XForwarded, &[("x-real-ip", "1.2.3.4")], "x-forwarded-for", None),
        (Family::XForwarded, &[("x-forwarded-for", "")], "x-forwarded-for", None),
        (Family::Forwarded, &[], "forwarded", None),
        (
            Family::Forwarded,
            &[("x-forwarded-for", "1.2.3.4")],
            "forwarded",
            Some("x-forwarded-for"),
        ),
    ] {
        let (logs, _guard) = captured_logs();
        let resolver = ClientResolver::new(TrustedProxies::new(["10.0.0.0/8"]).unwrap(), family);
        // The layers have clones, as the policies of limits do.
        let layers = [ClientLayer::new(resolver.clone()), ClientLayer::new(resolver)];
        for layer in layers.iter().cycle().take(6) {
            assert_eq!(client(layer, request(PROXY, headers)).await.ip(), ip("10.0.0.1"));
        }
        let lines = logs.lines();
        assert_eq!(lines.len(), 1, "{headers:?} {lines:?}");
        let line = &lines[0];
        assert!(
            line.contains("WARN") && line.contains("a trusted proxy named no client"),
            "{line}"
        );
        assert!(line.contains(&format!("expected=\"{expected}\"")), "{line}");
        assert_eq!(line.contains("found="), found.is_some(), "{line}");
        assert!(found.is_none_or(|found| line.contains(&format!("found=\"{found}\""))), "{line}");
    }
}

#[tokio::test]
async fn nothing_is_reported_of_a_proxy_that_names_its_clients_or_of_a_stranger() {
    let (logs, _guard) = captured_logs();
    let layer = trusting(Family::XForwarded);
    for (peer, headers) in [
        (PROXY, &[("x-forwarded-for", "203.0.113.9")][..]),
        (PROXY, &[("x-forwarded-for", "unknown")]),
        (STRANGER, &[]),
        (STRANGER, &[("forwarded", "for=1.2.3.4")]),
    ] {
        let _client = client(&layer, request(peer, headers)).await;
    }
    assert_eq!(logs.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_proxy_behind_a_trusted_unix_socket_names_clients() {
    let (logs, _guard) = captured_logs();
    let layer = ClientLayer::new(ClientResolver::direct().trust_unix_socket());
    let over_socket = |headers| {
        let mut request = request(STRANGER, headers);
        request.extensions_mut().remove::<Peer>();
        request
    };
    let (context, headers) = seen(&layer, over_socket(BOTH)).await;
    let found = context.unwrap().client().unwrap().clone();
    assert_eq!((found.ip(), found.scheme()), (ip("203.0.113.2"), Scheme::Https));
    assert!(headers.contains_key("x-forwarded-for") && !headers.contains_key("forwarded"));
    assert_eq!(logs.lines(), Vec::<String>::new());
    // A connection over TCP to the same service is a stranger's.
    let found = client(&layer, request(STRANGER, BOTH)).await;
    assert_eq!(found.ip(), ip("198.51.100.7"));
}
