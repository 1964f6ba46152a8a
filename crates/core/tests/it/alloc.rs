//! The allocations on the path of every request.

use std::net::IpAddr;

use bytes::BytesMut;
use hardpoint_core::{
    ClientResolver, Family, Head, Identity, Peer, Refusals, RequestContext, Route, Scheme, Time,
    TrustedProxies,
};
use hardpoint_testkit::contract::allocations_in;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

/// A header value as a server's parser makes it: a slice of the buffer that the head was read into.
fn received(text: &str) -> HeaderValue {
    let mut buffer = BytesMut::from(text);
    buffer.extend_from_slice(b"\r\n");
    HeaderValue::from_maybe_shared(buffer.split_to(text.len()).freeze()).unwrap()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let field = |&(name, text)| (HeaderName::from_static(name), received(text));
    lines.iter().map(field).collect()
}

#[test]
fn resolving_a_client_behind_three_hops_allocates_nothing() {
    let trusted = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let peer: IpAddr = "10.0.0.1".parse().unwrap();
    let expected: IpAddr = "203.0.113.9".parse().unwrap();
    let x_forwarded = headers(&[
        ("host", "inside"),
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.3, 10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.org"),
    ]);
    let forwarded = headers(&[
        ("host", "inside"),
        (
            "forwarded",
            "for=6.6.6.6, for=203.0.113.9;proto=https;host=api.example.org, for=10.0.0.3, \
             for=10.0.0.2",
        ),
    ]);
    for (family, headers) in [(Family::XForwarded, x_forwarded), (Family::Forwarded, forwarded)] {
        let resolver = ClientResolver::new(trusted.clone(), family);
        let client = resolver.resolve(Some(peer), &headers);
        assert_eq!((client.ip(), client.scheme()), (Some(expected), Scheme::Https));
        let allocations = allocations_in(|| resolver.resolve(Some(peer), &headers));
        println!("allocations of resolving a client, {family:?}: {allocations}");
        assert_eq!(allocations, 0, "{family:?}");
    }
}

#[test]
fn making_a_context_costs_one_arc_and_its_place_in_the_extensions() {
    let of = |request: &mut Request<()>| {
        allocations_in(|| RequestContext::ensure(request.extensions_mut(), &Time::system()))
    };
    let mut bare = Request::new(());
    let first = of(&mut bare);
    let again = of(&mut bare);
    let mut with_peer = Request::new(());
    let peer = Peer::new(([127, 0, 0, 1], 80).into());
    with_peer.extensions_mut().insert(peer);
    let beside_others = of(&mut with_peer);

    let (arc, slot, map) = (1, beside_others - 1, first - beside_others);
    println!("allocations of a context: arc {arc}, slot {slot}, extensions' map {map}");
    assert_eq!((slot, map, again), (1, 2, 0));
}

#[test]
fn the_facts_of_a_head_allocate_nothing() {
    let mut request = Request::new(());
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    let id = hardpoint_core::RequestId::from_header(&received("r-1")).unwrap();
    assert!(context.set_request_id(id));
    for refusals in [Refusals::new(), Refusals::new().grpc_under("/pkg.Service/")] {
        assert_eq!(allocations_in(|| refusals.facts(Head::new(&request))), 0, "{refusals:?}");
    }
}

#[test]
fn sharing_an_identity_and_finding_a_route_allocate_nothing() {
    let mut request = Request::new(());
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    let identity = Identity::from_subject("alice");
    assert_eq!(allocations_in(|| context.set_identity(identity.clone())), 0);
    request.extensions_mut().insert(Route::from("/users/{id}"));
    assert_eq!(allocations_in(|| Route::find(request.extensions())), 0);
    assert_eq!(allocations_in(|| Peer::find(request.extensions())), 0);
}
