//! What an observer is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_auth::{
    SigningKey,
    remote::{Fetch, FetchError, Fetching, Refreshed, RemoteKeys, RemoteKeysBuilder},
};
use hardpoint_core::{
    Event, Observer, Telemetry, Time,
    event::{KeySetChanged, KeySetFetchFailed, KeySetKeySkipped, KeySetStateChanged},
};
use hardpoint_testkit::{clock::TokioClock, leak::LeakScanner};
use http::{Request, Response};
use tokio::time::sleep;

use super::{issuer::Issuer, jwks, key};

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

/// What was told, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// What was told since it was asked for last.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn on(&self, event: &Event<'_>) {
        let text = match event {
            Event::KeySetChanged(KeySetChanged { key_set, added, removed, .. }) => {
                format!("{key_set}: +{added} -{removed}")
            }
            Event::KeySetFetchFailed(KeySetFetchFailed { key_set, kind, .. }) => {
                format!("{key_set} failed: {}", kind.as_str())
            }
            Event::KeySetKeySkipped(skipped) => {
                let KeySetKeySkipped { key_set, position, key_id, reason, .. } = skipped;
                format!("{key_set} skips {position} {}: {reason}", key_id.unwrap_or("-"))
            }
            Event::KeySetStateChanged(KeySetStateChanged { key_set, state, .. }) => {
                format!("{key_set} is {}", state.as_str())
            }
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

fn builder(issuer: &Issuer) -> RemoteKeysBuilder {
    let keys = RemoteKeys::jwks("https://id.example/keys", issuer.clone());
    keys.time(Time::custom(TokioClock::new())).name("partner")
}

#[tokio::test(start_paused = true)]
async fn keys_that_come_and_go_are_told_and_how_many() {
    let [first, second, third] = [(), (), ()].map(|()| SigningKey::generate().unwrap());
    let (issuer, told) = (Issuer::publishing(&jwks([&first])), Told::default());
    let keys = builder(&issuer).telemetry(&Telemetry::new(told.clone())).start().unwrap();
    assert_eq!(told.take(), [""; 0]);
    keys.warm().await.unwrap();
    assert_eq!(told.take(), ["partner: +1 -0", "partner is fresh"]);

    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Unknown);
    assert_eq!(told.take(), [""; 0], "nothing has changed");

    issuer.publish(&jwks([&second, &third]));
    sleep(HOUR).await;
    assert_eq!(told.take(), ["partner: +2 -1"]);
    // The same keys in another order.
    issuer.publish(&jwks([&third, &second]));
    sleep(HOUR).await;
    assert_eq!(told.take(), [""; 0]);
    // Another key of the same name.
    let renamed = first.verifying_key().named(second.key_id()).unwrap();
    let set = hardpoint_auth::KeySet::new([renamed, third.verifying_key()]).unwrap();
    issuer.publish(&set.to_jwks().to_string());
    sleep(HOUR).await;
    assert_eq!(told.take(), ["partner: +1 -1"]);
}

#[tokio::test(start_paused = true)]
async fn each_key_that_cannot_be_used_is_told_once_with_its_id_and_the_reason() {
    let (_, text) = key();
    let mut set: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut keys_of_set = set["keys"].as_array().unwrap().clone();
    keys_of_set
        .insert(0, serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": "short", "x": "AQ" }));
    keys_of_set.push(serde_json::json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }));
    set["keys"] = keys_of_set.into();
    let (issuer, told) = (Issuer::publishing(&set.to_string()), Told::default());
    let keys = builder(&issuer).telemetry(&Telemetry::new(told.clone())).start().unwrap();
    keys.warm().await.unwrap();
    let skipped =
        || -> Vec<_> { told.take().into_iter().filter(|text| text.contains("skips")).collect() };
    assert_eq!(skipped(), ["partner skips 0 short: member", "partner skips 2 -: weak"]);
    let all = keys.skipped();
    assert_eq!((all.len(), all[0].reason.member()), (2, Some("y")));
    assert!(all[0].to_string().contains("short") && all[0].to_string().contains("`y`"));
    sleep(HOUR).await;
    assert_eq!(skipped(), [""; 0], "the same keys are not told again");

    // A set with only such keys replaces nothing, and the error names the first of them.
    set["keys"].as_array_mut().unwrap().remove(1);
    issuer.publish(&set.to_string());
    sleep(HOUR).await;
    let error = keys.last_error().unwrap();
    assert_eq!(error.kind().as_str(), "empty");
    assert!(error.detail().unwrap().contains("key short is not used"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_change_of_the_state_is_told_once_and_in_the_moment_it_happens() {
    let (_, text) = key();
    let (issuer, told) = (Issuer::publishing(&text), Told::default());
    let observer = told.clone();
    let keys =
        builder(&issuer).stale_if_error(HOUR).telemetry(&Telemetry::new(observer)).start().unwrap();
    keys.warm().await.unwrap();
    told.take();
    let states =
        || -> Vec<_> { told.take().into_iter().filter(|text| !text.contains("failed")).collect() };

    issuer.go_away();
    sleep(HOUR - SECOND).await;
    assert_eq!(states(), [""; 0]);
    sleep(SECOND + SECOND / 10).await;
    assert_eq!(states(), ["partner is stale"]);
    issuer.publish(&text);
    sleep(SECOND * 61).await;
    assert_eq!(states(), ["partner is fresh"]);

    issuer.go_away();
    sleep(HOUR).await;
    assert_eq!(states(), ["partner is stale"]);
    sleep(HOUR).await;
    assert_eq!(states(), ["partner: +0 -1", "partner is expired"]);
    issuer.publish(&text);
    sleep(SECOND * 61).await;
    assert_eq!(states(), ["partner: +1 -0", "partner is fresh"]);
}

#[tokio::test(start_paused = true)]
async fn each_fetch_that_fails_is_told_with_its_kind() {
    let (issuer, told) = (Issuer::default(), Told::default());
    let keys = builder(&issuer).telemetry(&Telemetry::new(told.clone())).start().unwrap();
    assert!(keys.warm().await.is_err());
    assert_eq!(told.take(), ["partner failed: unreachable"]);
    // Answered at once, so that no fetch is under way when the two are counted.
    issuer.answer("*", |_| Response::new(Bytes::from_static(b"<html>")));
    sleep(SECOND * 10).await;
    let all = told.take();
    assert_eq!(all.len(), issuer.fetches() - 1);
    assert!(all.iter().all(|text| text == "partner failed: malformed"), "{all:?}");
    let silent = builder(&issuer).start().unwrap();
    assert!(silent.warm().await.is_err());
}

/// An issuer whose URL has a secret in it, and whose errors have another.
struct Talkative;

impl Fetch for Talkative {
    fn fetch(&self, request: Request<()>, _limit: usize) -> Fetching<'_> {
        let text = format!("canary-of-the-network at {}", request.uri());
        Box::pin(async move { Err(FetchError::Unreachable(text.into())) })
    }
}

#[tokio::test(start_paused = true)]
async fn no_event_has_a_key_a_url_or_an_errors_text() {
    let (key, text) = key();
    let issuer = Issuer::publishing(&text);
    let raw = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&raw);
    let observer = move |event: &Event<'_>| {
        written.lock().unwrap().push_str(&format!("{event:?}\n"));
    };
    let url = "https://id.example/keys?api-key=canary-of-the-query";
    let started = [
        RemoteKeys::jwks(url, issuer.clone())
            .telemetry(&Telemetry::new(observer.clone()))
            .start()
            .unwrap(),
        RemoteKeys::jwks(url, Talkative).telemetry(&Telemetry::new(observer)).start().unwrap(),
    ];
    started[0].warm().await.unwrap();
    assert!(started[1].warm().await.is_err());
    issuer.publish("<html>canary-of-the-page</html>");
    assert_eq!(
        started[0].refresh_for_unknown_key_id("canary-of-a-token", None).await,
        Refreshed::Failed
    );
    let raw = raw.lock().unwrap();
    let seen = ["KeySetChanged", "KeySetStateChanged", "KeySetFetchFailed", "\"remote\""];
    assert!(seen.iter().all(|name| raw.contains(name)), "{raw}");
    let canaries = [
        "canary-of-the-query",
        "canary-of-the-network",
        "canary-of-the-page",
        "canary-of-a-token",
        "id.example",
        key.key_id(),
    ];
    LeakScanner::new(canaries).assert_clean("the events", raw.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_does_not_stop_the_upkeep() {
    let [(old, text), (new, later)] = [key(), key()];
    let issuer = Issuer::publishing(&text);
    let panics = |_: &Event<'_>| panic!("the observer panics");
    let keys = builder(&issuer).telemetry(&Telemetry::new(panics)).start().unwrap();
    keys.warm().await.unwrap();
    let watch = keys.watch();
    assert!(watch.borrow().find(old.key_id()).is_some());
    issuer.publish(&later);
    sleep(HOUR).await;
    assert!(watch.borrow().find(new.key_id()).is_some());
}
