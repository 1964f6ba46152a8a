//! Callers who try to get another user's response, or to exhaust the memory.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Identity, Key, KeyMissing, ManualClock, RequestContext, Time};
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, service_fn};

use super::{Pair, builder, copies, ok, with};
use crate::support::{get, start};

fn with_field(name: &'static str, value: &'static str) -> Request<TestBody> {
    Request::get("/account").header(name, value).body(TestBody::default()).unwrap()
}

pub(super) fn on_behalf_of(subject: &str) -> Request<TestBody> {
    let mut request: Request<TestBody> = get("/account");
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    context.set_identity(Identity::from_subject(subject));
    request
}

#[tokio::test]
async fn no_caller_gets_the_response_of_another() {
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-forwarded-user",
        "x-tenant-id",
        "x-user-id",
    ] {
        let pair = Pair::new(copies());
        pair.answers(|| ok("alice's balance"));
        pair.call(with_field(name, "alice")).await;
        assert!(pair.copies.is_empty(), "{name}");
        pair.fails();
        for request in [with_field(name, "alice"), with_field(name, "bob"), get("/account")] {
            assert_eq!(pair.call(request).await.0, 502, "{name}");
        }
        // Nor does a caller with credentials get what everyone gets: it may not be for them.
        pair.answers(|| ok("please log in"));
        pair.call(get("/account")).await;
        pair.fails();
        assert_eq!(pair.call(get("/account")).await.0, 200);
        assert_eq!(pair.call(with_field(name, "alice")).await.0, 502, "{name}");
    }
}

#[tokio::test]
async fn requests_with_a_header_that_was_added_as_neutral_share_copies() {
    let page = http::HeaderName::from_static("x-page-view");
    let copies = builder(&ManualClock::default()).neutral_header(page).build().unwrap();
    let pair = Pair::new(copies);
    pair.answers(|| ok("news"));
    pair.call(with_field("x-page-view", "1")).await;
    pair.fails();
    assert_eq!(pair.call(with_field("x-page-view", "2")).await.2, "news");
    assert_eq!(pair.call(with_field("x-user-id", "bob")).await.0, 502);
}

#[tokio::test]
async fn calls_on_behalf_of_users_have_copies_of_their_own() {
    let pair = Pair::new(copies());
    pair.answers(|| ok("alice's balance"));
    pair.call(on_behalf_of("alice")).await;
    pair.fails();
    assert_eq!(pair.call(on_behalf_of("alice")).await.2, "alice's balance");
    for request in [on_behalf_of("bob"), on_behalf_of(""), get("/account")] {
        assert_eq!(pair.call(request).await.0, 502);
    }
}

#[tokio::test]
async fn a_key_of_callers_tells_them_apart() {
    fn tenant(head: Head<'_>) -> Result<Key<'_>, KeyMissing> {
        let tenant = head.headers.get("x-tenant").ok_or(KeyMissing::new("x-tenant"))?;
        Ok(Key::borrowed(tenant.as_bytes()))
    }

    let pair = Pair::new(builder(&ManualClock::default()).callers(tenant).build().unwrap());
    let of = |tenant: &'static str, token: &'static str| {
        let mut request = with_field("x-tenant", tenant);
        request.headers_mut().insert("authorization", token.parse().unwrap());
        request
    };
    pair.answers(|| ok("of acme"));
    pair.call(of("acme", "token 1")).await;
    pair.fails();
    assert_eq!(pair.call(of("acme", "token 2")).await.2, "of acme");
    assert_eq!(pair.call(of("umbrella", "token 1")).await.0, 502);
    assert_eq!(pair.call(with_field("authorization", "token 1")).await.0, 502, "no tenant");
}

#[tokio::test]
async fn a_response_that_varies_is_for_requests_of_its_kind() {
    let pair = Pair::new(copies());
    pair.answers(|| with(ok("Guten Tag"), "vary", "Accept-Language"));
    pair.call(with_field("accept-language", "de")).await;
    pair.fails();
    assert_eq!(pair.call(with_field("accept-language", "de")).await.2, "Guten Tag");
    assert_eq!(pair.call(with_field("accept-language", "fr")).await.0, 502);
    assert_eq!(pair.call(get("/account")).await.0, 502);
}

#[tokio::test]
async fn a_request_with_a_body_has_no_copy() {
    let pair = Pair::new(copies());
    let search = |what: &'static str| Request::get("/").body(TestBody::from(what)).unwrap();
    pair.answers(|| ok("what alice searched for"));
    pair.call(search("alice")).await;
    pair.fails();
    assert_eq!(pair.call(search("bob")).await.0, 502);
    assert!(pair.copies.is_empty());
}

/// A body that never ends.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1_000])))))
    }
}

#[tokio::test]
async fn bodies_that_never_end_take_bounded_memory_and_return_it() {
    let clock = ManualClock::default();
    let copies = builder(&clock).max_body(10_000).max_bytes(21_200).build().unwrap();
    let endless =
        service_fn(async |_: Request<TestBody>| Ok::<_, io::Error>(Response::new(Endless)));
    let mut client = copies.layer().layer(endless);
    let pair = Pair::new(copies.clone());

    // Four callers read ten kilobytes each: the memory of two, with their heads, is all that they get.
    let mut bodies = Vec::new();
    for number in 0..4 {
        let request = get::<TestBody>(&format!("/{number}"));
        let mut body = start(&mut client, request).await.await.unwrap().into_body();
        for _ in 0..10 {
            body.frame().await.unwrap().unwrap();
        }
        bodies.push(body);
    }
    assert!(!pair.keeps(|| ok("a")).await, "no memory is left for others");
    // The next frame exceeds the limit of a body, so the recorder frees what it has.
    for body in &mut bodies {
        body.frame().await.unwrap().unwrap();
    }
    assert!(pair.keeps(|| ok("a")).await);
    // The caller can still read the body as far as it wants.
    for _ in 0..1_000 {
        bodies[0].frame().await.unwrap().unwrap();
    }
    // So does dropping a body free it.
    for number in 0..100 {
        let request = get::<TestBody>(&format!("/{number}"));
        let mut body = start(&mut client, request).await.await.unwrap().into_body();
        for _ in 0..9 {
            body.frame().await.unwrap().unwrap();
        }
    }
    assert!(pair.keeps(|| ok("b")).await);
}

/// A body of one byte takes the memory of a head, too.
#[tokio::test]
async fn heads_that_are_being_read_take_bounded_memory() {
    let copies = builder(&ManualClock::default()).max_body(1_000).max_bytes(5_000).build().unwrap();
    let pair = Pair::new(copies);
    let field = "a".repeat(1_000);
    let answer = move || with(ok(TestBody::default().data("a").pending()), "x-long", &field);
    pair.answers(answer);
    let mut client = pair.copies.layer().layer(pair.spy.clone());
    let mut bodies = Vec::new();
    for number in 0..4 {
        let request = get::<TestBody>(&format!("/{number}"));
        bodies.push(start(&mut client, request).await.await.unwrap().into_body());
    }
    for body in bodies.drain(1..) {
        body.collect().await.unwrap();
    }
    assert_eq!(pair.copies.len(), 2, "three of them fit beside each other");
    drop(bodies);
    assert!(pair.keeps(|| ok("a")).await, "the memory of the first is free again");
}

#[tokio::test]
async fn a_flood_of_targets_takes_bounded_memory_and_spares_what_is_used() {
    let clock = ManualClock::default();
    let copies = builder(&clock).max_entries(100).max_bytes(200_000).build().unwrap();
    let pair = Pair::new(copies);
    pair.answers(|| ok(TestBody::default().data(vec![1; 1_000])));
    for number in 0..5_000 {
        if number % 40 == 0 {
            pair.call(get("/popular")).await;
        }
        pair.call(get(&format!("/{number}"))).await;
        assert!(pair.copies.len() <= 100 && pair.copies.bytes() <= 200_000);
    }
    pair.fails();
    assert_eq!(pair.call(get("/popular")).await.0, 200);
    assert_eq!(pair.call(get("/0")).await.0, 502);
    // A target that is longer than any copy's key.
    pair.copies.clear();
    pair.answers(|| ok("a"));
    pair.call(get(&format!("/{}", "a".repeat(10_000)))).await;
    assert!(pair.copies.is_empty());
}

#[tokio::test]
async fn nothing_of_a_copy_shows() {
    let copies = copies();
    let is_down = AtomicBool::new(false);
    // The body's own `Debug` shows nothing, so what shows is the layer's.
    let client = service_fn(async |_: Request<TestBody>| {
        if is_down.load(Ordering::Relaxed) {
            return Err(io::Error::other("down"));
        }
        let body = TestBody::default().data("secret").pending().data("secret");
        Ok::<_, io::Error>(with(ok(body), "x-secret", "secret").map(BodyExt::boxed_unsync))
    });
    let mut client = copies.layer().layer(client);
    let call = || get::<TestBody>("/secret");

    let future = start(&mut client, call()).await;
    let mut shown = vec![format!("{future:?}")];
    let mut body = future.await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    shown.push(format!("{body:?}"));
    body.collect().await.unwrap();
    assert_eq!(copies.len(), 1, "there is something to show");

    is_down.store(true, Ordering::Relaxed);
    let response = start(&mut client, call()).await.await.unwrap();
    assert_eq!(response.headers()["x-secret"], "secret");
    shown.push(format!("{:?}", response.body()));
    shown.push(format!("{copies:?} {copies:#?} {:?} {client:?}", copies.layer()));
    let text = shown.join("\n");
    assert!(text.contains("rates") && text.contains("is_recorded: true"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
