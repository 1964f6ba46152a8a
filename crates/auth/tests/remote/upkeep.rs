//! How keys are kept up to date, in paused time.

use std::time::Duration;

use hardpoint_auth::{
    ConfigError, Profile, SigningKey, TokenIssuer, TokenVerifier, TrustedIssuer, VerifyErrorKind,
    remote::{KeysState, RefreshErrorKind, Refreshed, RemoteKeys, RemoteKeysBuilder},
};
use hardpoint_core::Time;
use hardpoint_testkit::clock::TokioClock;
use tokio::time::{advance, sleep};

use super::{
    ISSUER,
    issuer::{Issuer, Page},
    jwks, key,
};

const URL: &str = "https://id.example/keys";
const HOUR: Duration = Duration::from_secs(3_600);

fn start(issuer: &Issuer) -> RemoteKeys {
    RemoteKeys::jwks(URL, issuer.clone()).time(Time::custom(TokioClock::new())).start().unwrap()
}

fn discover(issuer: &Issuer) -> RemoteKeys {
    RemoteKeys::discovery(ISSUER, issuer.clone())
        .time(Time::custom(TokioClock::new()))
        .start()
        .unwrap()
}

fn document(issuer: &str, keys: &str) -> Page {
    let text = serde_json::json!({ "issuer": issuer, "jwks_uri": keys }).to_string();
    Page::Text { text, max_age: 3_600, after: Duration::from_millis(10) }
}

fn has(keys: &RemoteKeys, key: &SigningKey) -> bool {
    keys.watch().borrow().find(key.key_id()).is_some()
}

fn failure(keys: &RemoteKeys) -> Option<RefreshErrorKind> {
    keys.last_error().map(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_is_warm_when_the_keys_have_come() {
    let (key, jwks) = key();
    let keys = start(&Issuer::publishing(&jwks));
    assert_eq!(keys.state(), KeysState::Empty);
    assert!(!has(&keys, &key));
    keys.warm().await.unwrap();
    assert_eq!(keys.state(), KeysState::Fresh);
    assert!(has(&keys, &key));
    keys.warm().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_at_the_start_is_asked_again_within_seconds() {
    let issuer = Issuer::default();
    let keys = start(&issuer);
    assert_eq!(keys.warm().await.unwrap_err().kind(), RefreshErrorKind::Unreachable);
    assert_eq!(keys.state(), KeysState::Empty);
    let (key, jwks) = key();
    assert_eq!(keys.refresh_for_unknown_key_id(key.key_id(), None).await, Refreshed::Failed);
    issuer.publish(&jwks);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(keys.state(), KeysState::Fresh);
    assert_eq!(failure(&keys), None);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_before_they_are_stale() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let (new, text) = key();
    issuer.publish(&text);
    sleep(HOUR * 7 / 10 - Duration::from_secs(1)).await;
    assert_eq!(issuer.fetches(), 1);
    sleep(HOUR / 10 + Duration::from_secs(2)).await;
    assert_eq!(issuer.fetches(), 2);
    assert!(has(&keys, &new) && !has(&keys, &old));
    assert_eq!(keys.state(), KeysState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn stale_keys_are_used_for_a_day_and_then_let_go() {
    let (key, jwks) = key();
    let issuer = Issuer::publishing(&jwks);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    issuer.go_away();
    sleep(HOUR + Duration::from_secs(1)).await;
    assert!(matches!(keys.state(), KeysState::Stale { .. }));
    assert_eq!(failure(&keys), Some(RefreshErrorKind::Unreachable));
    assert!(has(&keys, &key));
    sleep(HOUR * 24 - Duration::from_secs(2)).await;
    assert!(has(&keys, &key) && keys.state().is_usable());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(keys.state(), KeysState::Expired);
    assert!(!has(&keys, &key));
    assert_eq!(keys.refresh_for_unknown_key_id(key.key_id(), None).await, Refreshed::Failed);
    issuer.publish(&jwks);
    sleep(Duration::from_secs(61)).await;
    assert!(has(&keys, &key) && keys.state() == KeysState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_published_since_is_found_and_its_id_is_not_sent() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    assert_eq!(keys.refresh_for_unknown_key_id(old.key_id(), None).await, Refreshed::Found);
    assert_eq!(issuer.fetches(), 1, "it is held");
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Found);
    assert_eq!(issuer.fetched(), [URL, URL]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_ids_causes_one_fetch_in_thirty_seconds() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let before = issuer.fetches();
    let network = Some([203, 0, 113, 7].into());
    // 10 000 a second.
    for millisecond in 0..29_000 {
        for each in 0..10 {
            let id = format!("{millisecond}-{each}");
            let refreshed = keys.refresh_for_unknown_key_id(&id, network).await;
            assert_eq!(refreshed == Refreshed::Unknown, (millisecond, each) == (0, 0));
            assert!(!matches!(refreshed, Refreshed::Failed | Refreshed::Found));
        }
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(issuer.fetches() - before, 1);
    advance(Duration::from_secs(2)).await;
    assert_eq!(keys.refresh_for_unknown_key_id("later", network).await, Refreshed::Unknown);
    assert_eq!(issuer.fetches() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_under_a_flood_is_seen_within_two_seconds_by_other_networks() {
    let (_, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let (flood, valid) = (Some([203, 0, 113, 7].into()), Some([198, 51, 100, 7].into()));
    let (new, rotated) = key();
    let (mut found, mut since) = (None, None);
    for millisecond in 0..5_000_u32 {
        for each in 0..10 {
            let id = format!("{millisecond}-{each}");
            drop(tokio::spawn({
                let keys = keys.clone();
                async move { keys.refresh_for_unknown_key_id(&id, flood).await }
            }));
        }
        if millisecond == 1_000 {
            issuer.publish(&rotated);
            since = Some(tokio::time::Instant::now());
            let (keys, id) = (keys.clone(), new.key_id().to_owned());
            found = Some(tokio::spawn(async move {
                let refreshed = keys.refresh_for_unknown_key_id(&id, valid).await;
                (refreshed, tokio::time::Instant::now())
            }));
        }
        advance(Duration::from_millis(1)).await;
    }
    let (refreshed, at) = found.unwrap().await.unwrap();
    assert_eq!(refreshed, Refreshed::Found);
    assert!(at - since.unwrap() <= Duration::from_secs(2), "{:?}", at - since.unwrap());
    assert!(issuer.fetches() <= 4, "{}", issuer.fetches());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_miss_keys_at_once_cause_one_fetch() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let (keys, found) = (keys.clone(), number % 2 == 0);
        let id = if found { new.key_id().to_owned() } else { format!("made-up-{number}") };
        all.spawn(async move { (found, keys.refresh_for_unknown_key_id(&id, None).await) });
    }
    while let Some(one) = all.join_next().await {
        let (found, refreshed) = one.unwrap();
        assert_eq!(refreshed, if found { Refreshed::Found } else { Refreshed::Unknown });
    }
    assert_eq!(issuer.fetches(), 2);
}

/// A miss that joined a fetch under way was answered by it, and remembered for a minute: a key that was
/// published meanwhile gave 401 although the issuer could have been asked again.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_published_during_a_fetch_is_looked_for_by_the_next_one() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(issuer.fetches(), 1, "it is under way, with the old keys");
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Found);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_remembered_by_a_fetch_that_began_before_it_was_asked_for() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let other = keys.clone();
    let made_up =
        tokio::spawn(async move { other.refresh_for_unknown_key_id("made up", None).await });
    sleep(Duration::from_millis(1)).await;
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    // Nothing new came for the made-up id, so callers without a network cause no second fetch at once,
    // and whether the issuer has the key is not known.
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Failed);
    assert_eq!(made_up.await.unwrap(), Refreshed::Unknown);
    assert_eq!(issuer.fetches(), 2);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(keys.refresh_for_unknown_key_id("made up", None).await, Refreshed::Unknown);
    assert_eq!(issuer.fetches(), 2, "this one is remembered");
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Found);
}

/// An id was remembered as missing by a fetch that had failed.
#[tokio::test(start_paused = true)]
async fn an_id_is_not_remembered_by_a_fetch_that_failed() {
    let (_, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let (new, newer) = key();
    issuer.go_away();
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Failed);
    issuer.publish(&text);
    sleep(Duration::from_secs(30)).await;
    issuer.publish(&newer);
    assert_eq!(keys.refresh_for_unknown_key_id(new.key_id(), None).await, Refreshed::Found);
}

/// An issuer whose replicas do not agree, or that is rolled back. What it publishes now is what counts:
/// a key that is gone may have been withdrawn, and is refused at once. When it is back, it is found
/// within the minute for which it is remembered as missing.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_taken_away_is_gone_at_once_and_found_within_a_minute_when_it_is_back() {
    let [first, second] = [(), ()].map(|()| SigningKey::generate().unwrap());
    let (both, older) = (jwks([&first, &second]), jwks([&first]));
    let issuer = Issuer::publishing(&both);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    issuer.publish(&older);
    sleep(HOUR).await;
    assert!(has(&keys, &first) && !has(&keys, &second));
    let before = issuer.fetches();
    for _ in 0..60 {
        assert_eq!(
            keys.refresh_for_unknown_key_id(second.key_id(), None).await,
            Refreshed::Unknown
        );
        sleep(Duration::from_secs(1)).await;
    }
    assert!(issuer.fetches() - before <= 2, "{}", issuer.fetches() - before);
    issuer.publish(r#"{"keys":[]}"#);
    sleep(HOUR).await;
    assert!(has(&keys, &first), "it does not shrink to nothing");

    issuer.publish(&older);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(keys.refresh_for_unknown_key_id(second.key_id(), None).await, Refreshed::Unknown);
    issuer.publish(&both);
    let back = tokio::time::Instant::now();
    while keys.refresh_for_unknown_key_id(second.key_id(), None).await != Refreshed::Found {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(back.elapsed() <= Duration::from_secs(61), "{:?}", back.elapsed());
    assert!(has(&keys, &first) && has(&keys, &second));
}

#[tokio::test(start_paused = true)]
async fn replicas_that_do_not_agree_are_asked_no_more_often_than_the_bucket_allows() {
    let [first, second] = [(), ()].map(|()| SigningKey::generate().unwrap());
    let (both, older) = (jwks([&first, &second]), jwks([&first]));
    let issuer = Issuer::publishing(&both);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let before = issuer.fetches();
    let mut lost = 0_usize;
    for round in 0..3_600 {
        issuer.publish(if round % 2 == 0 { &older } else { &both });
        // Whatever comes in between, such as a flood of made-up ids.
        let made_up = keys.refresh_for_unknown_key_id(&format!("made-up-{round}"), None).await;
        assert_ne!(made_up, Refreshed::Found);
        lost += usize::from(!has(&keys, &second));
        let _either = keys.refresh_for_unknown_key_id(second.key_id(), None).await;
        assert!(has(&keys, &first));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(lost > 0, "the older set comes at times");
    // Two at once and one in 30 seconds, and those that were due anyway.
    let fetches = issuer.fetches() - before;
    assert!(fetches <= 2 + 3_600 / 30 + 2, "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_waiting_does_not_stop_the_fetch() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let (new, text) = key();
    issuer.publish(&text);
    let impatient = keys.refresh_for_unknown_key_id(new.key_id(), None);
    assert!(tokio::time::timeout(Duration::from_millis(1), impatient).await.is_err());
    sleep(Duration::from_secs(2)).await;
    assert!(has(&keys, &new));
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_id_of_more_than_128_bytes_is_never_looked_for() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let id = "a".repeat(129);
    assert_eq!(keys.refresh_for_unknown_key_id(&id, None).await, Refreshed::Unknown);
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(keys.refresh_for_unknown_key_id(&id[..128], None).await, Refreshed::Unknown);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_bad_key_never_loses_the_good_ones() {
    let (good, text) = key();
    let mut set: serde_json::Value = serde_json::from_str(&text).unwrap();
    let all = set["keys"].as_array_mut().unwrap();
    all.insert(0, serde_json::json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "future" }));
    all.insert(0, serde_json::json!("no key at all"));
    all.push(serde_json::json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "secret" }));
    let keys = start(&Issuer::publishing(&set.to_string()));
    keys.warm().await.unwrap();
    assert!(has(&keys, &good));
    assert_eq!(keys.watch().borrow().iter().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_set_does_not_shrink_to_nothing_and_does_not_grow_without_bound() {
    use RefreshErrorKind::{Empty, Malformed, TooLarge};

    let many: Vec<_> = (0..101).map(|_| serde_json::json!({ "kty": "x" })).collect();
    let many = serde_json::json!({ "keys": many }).to_string();
    for (text, expected) in [
        (r#"{"keys":[]}"#, Empty),
        (r#"{"keys":[{"kty":"x"}]}"#, Empty),
        (r#"{"keys":{}}"#, Malformed),
        ("{}", Malformed),
        ("<html>", Malformed),
        ("", Malformed),
        (&many, TooLarge),
        (&" ".repeat(256 * 1024 + 1), TooLarge),
    ] {
        let (key, jwks) = key();
        let issuer = Issuer::publishing(&jwks);
        let keys = start(&issuer);
        keys.warm().await.unwrap();
        issuer.publish(text);
        assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
        assert_eq!(failure(&keys), Some(expected), "{expected:?}");
        assert!(has(&keys, &key));
        assert_eq!(keys.state(), KeysState::Fresh, "what is held is as good as before");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_or_panics_is_one_that_fails() {
    for (page, expected) in
        [(Page::Hang, RefreshErrorKind::Timeout), (Page::Panic, RefreshErrorKind::Stopped)]
    {
        let (key, jwks) = key();
        let issuer = Issuer::default();
        issuer.page("*", page);
        let keys = start(&issuer);
        let begun = tokio::time::Instant::now();
        assert_eq!(keys.warm().await.unwrap_err().kind(), expected);
        assert!(begun.elapsed() <= Duration::from_millis(3_001));
        issuer.publish(&jwks);
        sleep(Duration::from_secs(2)).await;
        assert!(has(&keys, &key));
    }
}

#[tokio::test(start_paused = true)]
async fn the_keys_are_where_the_issuer_says() {
    let (first, text) = key();
    let issuer = Issuer::publishing(&text);
    let path = "/.well-known/openid-configuration";
    issuer.page(path, document(ISSUER, "https://keys.example/a"));
    let keys = discover(&issuer);
    keys.warm().await.unwrap();
    assert!(has(&keys, &first));
    let well_known = format!("{ISSUER}{path}");
    assert_eq!(issuer.fetched(), [well_known.as_str(), "https://keys.example/a"]);

    // The place is remembered, and asked for again after a failure.
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Unknown);
    assert_eq!(issuer.fetches(), 3);
    issuer.go_away();
    sleep(HOUR).await;
    let (second, text) = key();
    issuer.publish(&text);
    issuer.page(path, document(ISSUER, "https://keys.example/b"));
    sleep(Duration::from_secs(61)).await;
    assert!(has(&keys, &second));
    assert!(issuer.fetched().ends_with(&[well_known, "https://keys.example/b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_document_of_another_issuer_is_refused() {
    let issuer = Issuer::publishing(&key().1);
    let path = "/.well-known/openid-configuration";
    for (named, jwks_uri, expected) in [
        ("https://id.example/", "https://id.example/k", RefreshErrorKind::Issuer),
        ("https://evil.example", "https://id.example/k", RefreshErrorKind::Issuer),
        (ISSUER, "http://id.example/k", RefreshErrorKind::Insecure),
        (ISSUER, "https://169.254.169.254/k", RefreshErrorKind::Url),
    ] {
        issuer.page(path, document(named, jwks_uri));
        let keys = discover(&issuer);
        assert_eq!(keys.warm().await.unwrap_err().kind(), expected);
        assert_eq!(keys.state(), KeysState::Empty);
    }
    assert!(issuer.fetched().iter().all(|url| url.ends_with(path)), "no key was asked for");
}

#[tokio::test(start_paused = true)]
async fn entras_template_is_accepted_when_asked_for_and_a_tenants_key_is_its_own() {
    let common = "https://login.microsoftonline.com/common/v2.0";
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let [shared, tenants] = [(), ()].map(|()| SigningKey::generate().unwrap());
    let mut set: serde_json::Value = serde_json::from_str(&jwks([&shared, &tenants])).unwrap();
    set["keys"][0]["issuer"] = template.into();
    set["keys"][1]["issuer"] = "https://login.microsoftonline.com/9188040d/v2.0".into();
    let issuer = Issuer::publishing(&set.to_string());
    let path = "/common/v2.0/.well-known/openid-configuration";
    issuer.page(path, document(template, "https://login.microsoftonline.com/common/keys"));

    let start = |builder: RemoteKeysBuilder| builder.time(Time::custom(TokioClock::new())).start();
    let keys = start(RemoteKeys::discovery(common, issuer.clone())).unwrap();
    assert_eq!(keys.warm().await.unwrap_err().kind(), RefreshErrorKind::Issuer);
    let keys = start(RemoteKeys::entra(common, issuer.clone())).unwrap();
    keys.warm().await.unwrap();
    assert!(has(&keys, &shared) && has(&keys, &tenants));
    let ours = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    let trusted = TrustedIssuer::template("https://login.microsoftonline.com/{tid}/v2.0", keys)
        .tenants([ours, "9188040d"])
        .profile(Profile::plain());
    let verifier = TokenVerifier::builder().add_issuer(trusted).audience("api").build().unwrap();
    for (key, tenant, expected) in [
        (&shared, ours, Ok(())),
        (&shared, "9188040d", Ok(())),
        (&tenants, "9188040d", Ok(())),
        (&tenants, ours, Err(VerifyErrorKind::Issuer)),
    ] {
        let name = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let key = SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
        let issuer = TokenIssuer::builder(key)
            .issuer(name)
            .audience("api")
            .profile(Profile::plain())
            .build()
            .unwrap();
        let token = issuer.token("alice").claim("tid", tenant).sign().unwrap();
        let answer = verifier.verify(token.expose()).map(drop).map_err(|error| error.kind());
        assert_eq!(answer, expected, "{tenant}");
    }
}

/// Entra's sets were read into a map to be sorted, which keeps the last of two members of one name: what
/// a key set refuses elsewhere was accepted.
#[tokio::test(start_paused = true)]
async fn a_member_that_stands_twice_loses_its_key_with_entras_template_too() {
    let common = "https://login.microsoftonline.com/common/v2.0";
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let [good, twice] = [(), ()].map(|()| SigningKey::generate().unwrap());
    let mut set: serde_json::Value = serde_json::from_str(&jwks([&good, &twice])).unwrap();
    for key in set["keys"].as_array_mut().unwrap() {
        key["issuer"] = template.into();
    }
    let [whole, broken] = [&set["keys"][0], &set["keys"][1]].map(ToString::to_string);
    // The member that counts in the end is the good one.
    let repeated = broken.replacen('{', r#"{"use":"enc","#, 1);
    let names_another = whole.replacen(
        r#""issuer":"#,
        r#""issuer":"https://login.microsoftonline.com/9188040d/v2.0","issuer":"#,
        1,
    );
    let path = "/common/v2.0/.well-known/openid-configuration";
    let warm = async |text: String| {
        let issuer = Issuer::publishing(&text);
        issuer.page(path, document(template, "https://login.microsoftonline.com/common/keys"));
        let builder = RemoteKeys::entra(common, issuer).time(Time::custom(TokioClock::new()));
        let keys = builder.start().unwrap();
        keys.warm().await.map(|()| keys)
    };
    let keys = warm(format!(r#"{{"keys":[{whole},{repeated}]}}"#)).await.unwrap();
    assert!(has(&keys, &good) && !has(&keys, &twice));
    for (text, expected) in [
        (format!(r#"{{"keys":[{names_another}]}}"#), RefreshErrorKind::Empty),
        (format!(r#"{{"keys":[{whole}],"keys":[{whole}]}}"#), RefreshErrorKind::Malformed),
    ] {
        assert_eq!(warm(text).await.unwrap_err().kind(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn fetching_ends_when_nobody_is_left() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let watch = keys.watch();
    drop(keys);
    sleep(HOUR * 30).await;
    assert!(issuer.fetches() > 30, "a verifier is still about");
    drop(watch);
    sleep(Duration::from_secs(1)).await;
    assert!(issuer.is_left());

    let keys = start(&issuer);
    keys.warm().await.unwrap();
    drop(keys);
    sleep(Duration::from_secs(1)).await;
    assert!(issuer.is_left());
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let issuer = Issuer::default();
    let jwks = |url: &str| RemoteKeys::jwks(url, issuer.clone());
    let error = jwks("http://id.example/keys").start().unwrap_err();
    assert!(matches!(&error, ConfigError::Insecure(url) if url == "http://id.example/keys"));
    assert!(error.to_string().contains("insecure_http()"));
    let error = RemoteKeys::discovery("http://id.example", issuer.clone()).start().unwrap_err();
    assert!(matches!(error, ConfigError::Insecure(_)));

    let error = jwks("https://user:hunter2@id.example/keys").start().unwrap_err();
    assert!(matches!(error, ConfigError::Url(_)));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(matches!(jwks("keys").start().unwrap_err(), ConfigError::Url(_)));

    let error = RemoteKeys::entra(ISSUER, issuer.clone()).start().unwrap_err();
    assert!(matches!(error, ConfigError::NoTenant(_)));
    let error = jwks(URL).timeout(Duration::ZERO).start().unwrap_err();
    assert!(matches!(error, ConfigError::NoTime));
    assert!(matches!(jwks(URL).start().unwrap_err(), ConfigError::NoRuntime));
}
