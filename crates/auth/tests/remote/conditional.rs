//! Asking for keys only if they have changed.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_auth::{
    JwksService, KeySet, SigningKey,
    remote::{HttpFetch, KeysState, RefreshErrorKind, Refreshed, RemoteKeys},
};
use hardpoint_core::{ManualClock, Time};
use hardpoint_testkit::{clock::TokioClock, http::serve};
use http::{
    HeaderMap, HeaderName, Request, Response, StatusCode,
    header::{AGE, CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use hyper::body::Incoming;
use tokio::{sync::watch, time::sleep};
use tower::{ServiceExt, service_fn};

use super::{ISSUER, issuer::Issuer, key, tls};

const URL: &str = "https://id.example/keys";
const HOUR: Duration = Duration::from_secs(3_600);
const MONDAY: &str = "Mon, 02 Nov 2026 08:49:37 GMT";

fn set<const N: usize>(keys: [&SigningKey; N]) -> Arc<KeySet> {
    Arc::new(KeySet::new(keys.map(SigningKey::verifying_key)).unwrap())
}

/// Both sides of it are ours, over a socket.
#[tokio::test]
async fn keys_that_have_not_changed_are_not_sent_again() {
    let [first, second] = [(), ()].map(|()| SigningKey::generate().unwrap());
    let (publish, published) = watch::channel(set([&first]));
    let (service, seen) = (JwksService::new(published), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    let server = serve(service_fn(move |request: Request<Incoming>| {
        let (service, noted) = (service.clone(), Arc::clone(&noted));
        async move {
            let asked = request.headers().get(IF_NONE_MATCH).cloned();
            let response = service.oneshot(request).await?;
            let headers: &HeaderMap = response.headers();
            let tag = headers.get(ETAG).cloned();
            noted.lock().unwrap().push((asked, response.status(), tag));
            Ok::<_, Infallible>(response)
        }
    }))
    .await;

    let fetch = HttpFetch::trusting_pem(&tls::authority().1).unwrap();
    let clock = ManualClock::default();
    let builder = RemoteKeys::jwks(server.url("/keys"), fetch).insecure_http();
    let keys = builder.time(clock.clone()).start().unwrap();
    keys.warm().await.unwrap();
    let watch = keys.watch();
    assert_eq!(keys.refresh_for_unknown_key_id("a", None).await, Refreshed::Unknown);
    assert_eq!(keys.state(), KeysState::Fresh);
    assert!(watch.borrow().find(first.key_id()).is_some());
    assert!(!watch.has_changed().unwrap(), "the very same set is held");
    publish.send_replace(set([&first, &second]));
    clock.advance(Duration::from_secs(31));
    assert_eq!(keys.refresh_for_unknown_key_id(second.key_id(), None).await, Refreshed::Found);

    let seen = seen.lock().unwrap();
    let [whole, unchanged, changed] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((&whole.0, whole.1), (&None, StatusCode::OK));
    assert!(whole.2.is_some());
    assert_eq!((&unchanged.0, unchanged.1), (&whole.2, StatusCode::NOT_MODIFIED));
    assert_eq!((&changed.0, changed.1), (&whole.2, StatusCode::OK));
}

fn start(issuer: &Issuer) -> RemoteKeys {
    RemoteKeys::jwks(URL, issuer.clone()).time(Time::custom(TokioClock::new())).start().unwrap()
}

fn respond(status: u16, headers: &[(HeaderName, &str)], body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// The values of a header, request by request.
fn sent(issuer: &Issuer, name: &HeaderName) -> Vec<Option<String>> {
    let value = |request: &Request<()>| {
        request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    issuer.asked().iter().map(value).collect()
}

fn tags(issuer: &Issuer) -> Vec<Option<String>> {
    sent(issuer, &IF_NONE_MATCH)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn has(keys: &RemoteKeys, key: &SigningKey) -> bool {
    keys.watch().borrow().find(key.key_id()).is_some()
}

/// 200 with `whole` to a request without a condition, and 304 with `unchanged` to one with it.
fn publish(
    issuer: &Issuer,
    text: &str,
    whole: &'static [(HeaderName, &str)],
    unchanged: &'static [(HeaderName, &str)],
) {
    let text = text.to_owned();
    issuer.answer("*", move |request| {
        let headers = request.headers();
        if headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE) {
            respond(304, unchanged, "")
        } else {
            respond(200, whole, &text)
        }
    });
}

/// How often the issuer is asked in the time.
async fn fetches_in(issuer: &Issuer, time: Duration) -> usize {
    let before = issuer.fetches();
    sleep(time).await;
    issuer.fetches() - before
}

#[tokio::test(start_paused = true)]
async fn a_304_keeps_the_keys_and_says_anew_how_long_they_are_fresh() {
    const WHOLE: &[(HeaderName, &str)] = &[(ETAG, "\"a\""), (CACHE_CONTROL, "max-age=600")];
    for (unchanged, lifetime) in [
        (&[(CACHE_CONTROL, "max-age=7200"), (ETAG, "\"a\"")][..], 7_200),
        (&[(CACHE_CONTROL, "max-age=7200"), (AGE, "3600")], 3_600),
        // What it does not say stays as it was, and its age is its own.
        (&[], 600),
        (&[(AGE, "200")], 400),
        (&[(CACHE_CONTROL, "no-cache")], 300),
    ] {
        let ((key, text), issuer) = (key(), Issuer::default());
        publish(&issuer, &text, WHOLE, unchanged);
        let keys = start(&issuer);
        keys.warm().await.unwrap();
        let lifetime = Duration::from_secs(lifetime);
        // The second fetch comes at 70 to 80 % of 600 s; take it as soon as it is there.
        while issuer.fetches() < 2 {
            sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(tags(&issuer), [None, some("\"a\"")]);
        assert!(has(&keys, &key) && keys.last_error().is_none());
        let almost = lifetime * 7 / 10 - Duration::from_secs(2);
        assert_eq!(fetches_in(&issuer, almost).await, 0, "{unchanged:?}");
        issuer.go_away();
        assert!(fetches_in(&issuer, lifetime / 10 + Duration::from_secs(4)).await > 0);
        // It is fresh until then, and no longer.
        sleep(lifetime / 5 - Duration::from_secs(5)).await;
        assert_eq!(keys.state(), KeysState::Fresh, "{unchanged:?}");
        sleep(Duration::from_secs(5)).await;
        assert!(matches!(keys.state(), KeysState::Stale { .. }), "{unchanged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_tag_it_is_asked_by_the_date() {
    let ((key, text), issuer) = (key(), Issuer::default());
    publish(&issuer, &text, &[(LAST_MODIFIED, MONDAY)], &[(LAST_MODIFIED, MONDAY)]);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Unknown);
    assert!(has(&keys, &key));
    assert_eq!(sent(&issuer, &IF_MODIFIED_SINCE), [None, some(MONDAY)]);
    assert_eq!(tags(&issuer), [None, None]);

    // With both, the tag counts.
    let issuer = Issuer::default();
    publish(&issuer, &text, &[(LAST_MODIFIED, MONDAY), (ETAG, "W/\"a\"")], &[]);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Unknown);
    assert_eq!(sent(&issuer, &IF_MODIFIED_SINCE), [None, None]);
    assert_eq!(tags(&issuer), [None, some("W/\"a\"")]);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_no_tag_is_not_sent() {
    let long = format!("\"{}\"", "a".repeat(255));
    for tag in [long.as_str(), "a", "\"a b\"", "\"a\", \"b\"", "*"] {
        let ((_, text), issuer, tag) = (key(), Issuer::default(), tag.to_owned());
        issuer.answer("*", move |_| respond(200, &[(ETAG, &tag)], &text));
        let keys = start(&issuer);
        keys.warm().await.unwrap();
        assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Unknown);
        assert_eq!(tags(&issuer), [None, None]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_that_nobody_asked_for_is_the_servers_error() {
    let issuer = Issuer::default();
    issuer.answer("*", |_| respond(304, &[(ETAG, "\"a\"")], ""));
    let keys = start(&issuer);
    assert_eq!(keys.warm().await.unwrap_err().kind(), RefreshErrorKind::NotModified);
    assert_eq!(keys.state(), KeysState::Empty);

    // To a set without a tag, there is nothing to ask for.
    let (key, text) = key();
    issuer.publish(&text);
    sleep(Duration::from_secs(2)).await;
    assert!(has(&keys, &key));
    issuer.answer("*", |_| respond(304, &[], ""));
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
    assert_eq!(keys.last_error().unwrap().kind(), RefreshErrorKind::NotModified);
    assert!(has(&keys, &key) && keys.state() == KeysState::Fresh);
    assert!(tags(&issuer).iter().all(Option::is_none));
}

#[tokio::test(start_paused = true)]
async fn after_a_304_about_something_else_all_is_asked_for() {
    let ((key, text), issuer) = (key(), Issuer::default());
    publish(&issuer, &text, &[(ETAG, "\"a\"")], &[(ETAG, "\"b\"")]);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
    assert_eq!(keys.last_error().unwrap().kind(), RefreshErrorKind::NotModified);
    sleep(Duration::from_secs(2)).await;
    assert!(has(&keys, &key) && keys.last_error().is_none());
    assert_eq!(tags(&issuer), [None, some("\"a\""), None]);
}

#[tokio::test(start_paused = true)]
async fn a_tag_belongs_to_the_set_that_is_held() {
    let [(first, text), (second, later)] = [key(), key()];
    let issuer = Issuer::default();
    let versioned = |tag: &'static str, text: &str| {
        let text = text.to_owned();
        issuer.answer("*", move |request| match request.headers().get(IF_NONE_MATCH) {
            Some(known) if known == tag => respond(304, &[(ETAG, tag)], ""),
            _ => respond(200, &[(ETAG, tag)], &text),
        });
    };
    versioned("\"1\"", &text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    // What cannot be used is not held: neither it nor its tag.
    versioned("\"bad\"", r#"{"keys":[]}"#);
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
    issuer.go_away();
    sleep(Duration::from_secs(31)).await;
    assert_eq!(keys.refresh_for_unknown_key_id("y", None).await, Refreshed::Failed);
    versioned("\"2\"", &later);
    sleep(Duration::from_secs(61)).await;
    assert!(has(&keys, &second) && !has(&keys, &first));
    // It is rolled back.
    versioned("\"1\"", &text);
    assert_eq!(keys.refresh_for_unknown_key_id(first.key_id(), None).await, Refreshed::Found);
    assert!(!has(&keys, &second));
    let tags = tags(&issuer);
    let (last, before) = tags.split_last().unwrap();
    assert_eq!(*last, some("\"2\""));
    assert_eq!(before[0], None);
    assert!(before[1..].iter().all(|tag| *tag == some("\"1\"")), "{before:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_sent_only_where_it_came_from() {
    // The discovery document has another tag, and then the keys are elsewhere.
    let ((_, text), issuer) = (key(), Issuer::default());
    let at = |place: &'static str| {
        let document = serde_json::json!({ "issuer": ISSUER, "jwks_uri": place }).to_string();
        issuer.answer("/.well-known/openid-configuration", move |_| {
            respond(200, &[(ETAG, "\"document\"")], &document)
        });
    };
    at("https://keys.example/a");
    let published = text.clone();
    issuer.answer("*", move |_| respond(200, &[(ETAG, "\"a\"")], &published));
    let builder =
        RemoteKeys::discovery(ISSUER, issuer.clone()).time(Time::custom(TokioClock::new()));
    let keys = builder.start().unwrap();
    keys.warm().await.unwrap();
    issuer.answer("/a", |_| respond(404, &[], ""));
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
    at("https://keys.example/b");
    sleep(Duration::from_secs(2)).await;
    assert!(keys.last_error().is_none());
    assert_eq!(tags(&issuer), [None, None, some("\"a\""), None, None]);
    assert!(issuer.fetched().ends_with(&["https://keys.example/b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_wrong_about_what_has_changed_is_believed_for_a_day() {
    let ((old, text), (new, later)) = (key(), key());
    let issuer = Issuer::default();
    publish(&issuer, &text, &[(ETAG, "\"a\"")], &[]);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    publish(&issuer, &later, &[(ETAG, "\"a\"")], &[]);
    sleep(HOUR * 23).await;
    assert!(has(&keys, &old), "its tag is the same");
    sleep(HOUR * 2).await;
    assert!(has(&keys, &new) && !has(&keys, &old));
    let tags = tags(&issuer);
    assert_eq!(tags.iter().filter(|tag| tag.is_none()).count(), 2, "{tags:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_asked_for_whole() {
    let ((key, text), issuer) = (key(), Issuer::default());
    publish(&issuer, &text, &[(ETAG, "\"a\"")], &[]);
    let builder = RemoteKeys::jwks(URL, issuer.clone()).time(Time::custom(TokioClock::new()));
    let keys = builder.stale_if_error(HOUR).start().unwrap();
    keys.warm().await.unwrap();
    issuer.go_away();
    sleep(HOUR * 2 + Duration::from_secs(1)).await;
    assert_eq!(keys.state(), KeysState::Expired);
    publish(&issuer, &text, &[(ETAG, "\"a\"")], &[]);
    sleep(Duration::from_secs(61)).await;
    assert!(has(&keys, &key) && keys.state() == KeysState::Fresh);
    let tags = tags(&issuer);
    assert_eq!(tags.last(), Some(&None));
    assert!(tags.contains(&some("\"a\"")), "as long as they were held, it was asked so");
}
