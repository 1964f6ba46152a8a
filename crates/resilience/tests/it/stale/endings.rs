//! Answers that end a copy.

use std::time::Duration;

use hardpoint_core::ManualClock;
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::Layer;

use super::{Pair, attackers::on_behalf_of, builder, copies, ok, with};
use crate::support::{get, read, start, status};

fn request(method: &'static str, target: &str) -> Request<TestBody> {
    let mut request: Request<TestBody> = get(target);
    *request.method_mut() = method.parse().unwrap();
    request
}

/// Copies of `/account` for GET and HEAD, for everyone and for a user, and one of another target.
async fn filled() -> Pair {
    let pair = Pair::new(copies());
    pair.answers(|| ok("old"));
    for request in
        [get("/account"), request("HEAD", "/account"), on_behalf_of("alice"), get("/other")]
    {
        pair.call(request).await;
    }
    assert_eq!(pair.copies.len(), 4);
    pair
}

#[tokio::test]
async fn a_definite_answer_ends_the_copy() {
    type Answer = fn() -> Response<TestBody>;
    let answers: [(&str, Answer); 9] = [
        ("404", || status(404)),
        ("410", || status(410)),
        ("403", || status(403)),
        ("301", || status(301)),
        ("private", || with(ok("new"), "cache-control", "private")),
        ("no-store", || with(ok("new"), "cache-control", "no-store")),
        ("stale-if-error", || with(ok("new"), "cache-control", "stale-if-error=0")),
        ("set-cookie", || with(ok("new"), "set-cookie", "a=b")),
        ("vary", || with(ok("new"), "vary", "x-user")),
    ];
    for (name, answer) in answers {
        for method in ["GET", "HEAD"] {
            let pair = filled().await;
            pair.answers(answer);
            assert_ne!(pair.call(request(method, "/account")).await.2, "old");
            pair.fails();
            assert_eq!(pair.call(get("/account")).await.0, 502, "{name}, {method}");
            assert_eq!(pair.call(request("HEAD", "/account")).await.0, 502, "{name}, {method}");
            assert_eq!(pair.call(on_behalf_of("alice")).await.0, 200, "{name}: its own answer");
            assert_eq!(pair.call(get("/other")).await.0, 200, "{name}: another target");
        }
    }
    // The caller has that response, and a failure is not an answer.
    for code in [304, 500, 503, 429] {
        let pair = filled().await;
        pair.answers(move || status(code));
        pair.call(get("/account")).await;
        pair.fails();
        assert_eq!(pair.call(get("/account")).await.0, 200, "{code}");
    }
}

#[tokio::test]
async fn a_change_ends_the_copies_of_its_target() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "UNKNOWN"] {
        for code in [200, 204, 303] {
            let pair = filled().await;
            pair.answers(move || status(code));
            let mut change = request(method, "/account");
            change.headers_mut().insert("authorization", "Bearer bob".parse().unwrap());
            pair.call(change).await;
            assert_eq!(pair.copies.len(), 1, "{method} {code}");
            pair.fails();
            for request in [get("/account"), request("HEAD", "/account"), on_behalf_of("alice")] {
                assert_eq!(pair.call(request).await.0, 502, "{method} {code}");
            }
            assert_eq!(pair.call(get("/other")).await.0, 200, "{method} {code}");
        }
    }
    for (method, code) in [("POST", 400), ("POST", 404), ("POST", 503), ("OPTIONS", 204)] {
        let pair = filled().await;
        pair.answers(move || status(code));
        pair.call(request(method, "/account")).await;
        assert_eq!(pair.copies.len(), 4, "{method} {code}");
    }
}

#[tokio::test]
async fn a_response_that_was_asked_for_before_a_removal_is_not_kept() {
    for (end, code) in [("GET", 404), ("POST", 204)] {
        let pair = Pair::new(copies());
        pair.answers(|| ok(TestBody::default().data("old")));
        let mut client = pair.copies.layer().layer(pair.spy.clone());
        let response = start(&mut client, get::<TestBody>("/account")).await.await.unwrap();
        let unanswered = start(&mut client, get::<TestBody>("/account")).await;
        pair.answers(move || status(code));
        pair.call(request(end, "/account")).await;
        assert_eq!(read(response.into_body()).await.0, "old");
        let _read = unanswered.await.unwrap().into_body().collect().await;
        assert!(pair.copies.is_empty(), "{end}");
        // Later ones are.
        pair.answers(|| ok("new"));
        pair.call(get("/account")).await;
        assert_eq!(pair.copies.len(), 1);
    }
}

#[tokio::test]
async fn clear_forgets_responses_that_are_being_read() {
    let pair = Pair::new(copies());
    pair.answers(|| ok(TestBody::default().data("old").pending().data("er")));
    let mut client = pair.copies.layer().layer(pair.spy.clone());
    let mut body = start(&mut client, get::<TestBody>("/a")).await.await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let unanswered = start(&mut client, get::<TestBody>("/b")).await;
    pair.copies.clear();
    let _read = body.collect().await;
    let _read = unanswered.await.unwrap().into_body().collect().await;
    assert!(pair.copies.is_empty());
    pair.call(get("/a")).await;
    assert_eq!(pair.copies.len(), 1, "later ones are kept");
}

#[tokio::test]
async fn an_expired_copy_is_removed_when_it_is_found() {
    let clock = ManualClock::default();
    let pair = Pair::new(builder(&clock).build().unwrap());
    pair.answers(|| ok("old"));
    pair.call(get("/a")).await;
    pair.fails();
    clock.advance(Duration::from_hours(1));
    assert_eq!(pair.call(get("/a")).await.0, 502);
    assert_eq!((pair.copies.len(), pair.copies.bytes()), (0, 0));
}

#[tokio::test]
async fn a_failure_in_a_good_status_is_not_kept() {
    let pair = Pair::new(copies());
    pair.answers(|| {
        with(with(ok("broken"), "content-type", "application/grpc"), "grpc-status", "14")
    });
    pair.call(get("/account")).await;
    assert!(pair.copies.is_empty());
}
