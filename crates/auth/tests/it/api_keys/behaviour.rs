//! Keys in memory.

use std::{num::NonZeroU32, time::Duration};

use hardpoint_auth::{ConfigError, RequireLayer, api_key::ApiKeyError};
use hardpoint_core::{AuthMethod, Rejection, event::StoreErrorKind};
use hardpoint_testkit::{contract, leak::LeakScanner};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::*;
use crate::{issuer_and_builder, token, with};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(start_paused = true)]
async fn a_key_acts_for_its_owner_with_its_own_scopes() {
    let keys = keys(memory()).build().unwrap();
    let issued = issue(&keys).await;
    let layer = AuthLayer::new(keys);
    let text = issued.text.expose();
    let scheme = format!("apikey {text}");
    for request in [request(text), with(&scheme)] {
        let (response, identity) = call(&layer, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let identity = identity.unwrap();
        assert_eq!((identity.issuer(), identity.subject()), (Some(crate::ISSUER), "alice"));
        assert_eq!(identity.method(), AuthMethod::ApiKey);
        assert!(identity.has_scope("notes:read") && !identity.has_scope("notes:write"));
        let record = ApiKeyRecord::from_identity(&identity).unwrap();
        assert_eq!((record.id, &*record.name), (issued.id, "ci"));
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_the_same_401_and_operators_learn_why() {
    let told = Told::default();
    let keys = keys(memory()).telemetry(&told.telemetry()).build().unwrap();
    let [issued, other] = [issue(&keys).await, issue(&keys).await];
    let short = NewApiKey::new(ALICE).lifetime(Duration::from_secs(1));
    let short = keys.issue(short).await.unwrap();
    let text = issued.text.expose();
    // The id of one key with the secret of another, and their checksum.
    let mixed = mix(text, other.text.expose());
    let layer = AuthLayer::new(keys.clone());
    let mut bodies = Vec::new();
    let shortened = &text[..text.len() - 1];
    let (gone, swapped) = (other.text.expose(), text.replace("acme_test_", "acme_test__"));
    keys.revoke(ALICE, other.id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (key, why) in [
        (shortened, ApiKeyErrorKind::Malformed),
        ("acme_test_", ApiKeyErrorKind::Malformed),
        (&swapped, ApiKeyErrorKind::Malformed),
        (gone, ApiKeyErrorKind::Unknown),
        (&mixed, ApiKeyErrorKind::WrongSecret),
        (short.text.expose(), ApiKeyErrorKind::Unknown),
    ] {
        let (response, identity) = call(&layer, request(key)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{why:?}");
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            r#"ApiKey realm="api", error="invalid_token""#
        );
        assert!(identity.is_none());
        assert_eq!(told.take(), [Err(why)]);
        bodies.push(format!("{response:?}"));
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    assert_eq!(status(&keys, text).await, StatusCode::OK);
    assert_eq!(told.take(), [Ok(())]);
}

/// A text with the id of `first`, the secret of `second`, and the right checksum.
fn mix(first: &str, second: &str) -> String {
    let body = format!("{}{}", &first[..26], &second[26..69]);
    // CRC-32, bit by bit.
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        }
    }
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let check = (0..6).rev().map(|place| digits[(!crc / 62_u32.pow(place) % 62) as usize]);
    body + &String::from_utf8(check.collect()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_expires_after_90_days_unless_it_is_to_live_longer() {
    let keys = keys(memory()).build().unwrap();
    let common = issue(&keys).await;
    let lasting = keys.issue(NewApiKey::new(ALICE).dangerous_never_expires()).await.unwrap();
    tokio::time::sleep(90 * DAY - Duration::from_secs(1)).await;
    assert_eq!(status(&keys, common.text.expose()).await, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(status(&keys, common.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&keys, lasting.text.expose()).await, StatusCode::OK);
    let listed = keys.list(ALICE).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.id).collect::<Vec<_>>(), [lasting.id]);
}

#[tokio::test(start_paused = true)]
async fn both_keys_of_a_rotation_work_until_the_overlap_is_over() {
    let one = NonZeroU32::MIN;
    let keys = keys(memory()).max_per_owner(one).build().unwrap();
    let former = issue(&keys).await;
    tokio::time::sleep(DAY).await;
    let next = keys.rotate(ALICE, former.id, DAY).await.unwrap().unwrap();
    assert_eq!(status(&keys, former.text.expose()).await, StatusCode::OK);
    assert_eq!(status(&keys, next.text.expose()).await, StatusCode::OK);
    let again = keys.rotate(ALICE, next.id, DAY).await.unwrap_err();
    assert!(matches!(again, ApiKeyError::TooMany { max: 1 }), "one more for the overlap, not two");
    tokio::time::sleep(DAY).await;
    assert_eq!(status(&keys, former.text.expose()).await, StatusCode::UNAUTHORIZED);
    let listed = keys.list(ALICE).await.unwrap();
    let [record] = &*listed else { panic!("{listed:?}") };
    assert_eq!((record.id, &*record.name, &*record.scope), (next.id, "ci", "notes:read"));
    assert_eq!(record.expires, Some(record.created + 90 * DAY), "a whole life");
    // A key that ends anyhow is not made to live longer.
    tokio::time::sleep(89 * DAY - Duration::from_secs(60)).await;
    keys.rotate(ALICE, next.id, 2 * DAY).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(status(&keys, next.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_rotated_twice_still_passes_on_its_whole_lifetime() {
    let keys = keys(memory()).build().unwrap();
    let common = issue(&keys).await;
    let lasting = keys.issue(NewApiKey::new(ALICE).dangerous_never_expires()).await.unwrap();
    for (old, lifetime) in [(common, Some(90 * DAY)), (lasting, None)] {
        keys.rotate(ALICE, old.id, DAY).await.unwrap().unwrap();
        // The answer was lost, so it is rotated again.
        let next = keys.rotate(ALICE, old.id, DAY).await.unwrap().unwrap();
        let listed = keys.list(ALICE).await.unwrap();
        let next = listed.iter().find(|record| record.id == next.id).unwrap();
        assert_eq!(next.lifetime, lifetime);
        assert_eq!(next.expires.map(|expires| expires - next.created), lifetime);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_of_another_issuer_with_the_same_name_is_another_owner() {
    let keys = keys(memory()).build().unwrap();
    let issued = issue(&keys).await;
    for other in
        [ApiKeyOwner::new("alice"), ApiKeyOwner::new("alice").issuer("https://evil.example")]
    {
        assert!(keys.list(other).await.unwrap().is_empty());
        assert!(!keys.revoke(other, issued.id).await.unwrap());
        assert!(keys.rotate(other, issued.id, DAY).await.unwrap().is_none());
    }
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    assert!(keys.revoke(ALICE, issued.id).await.unwrap());
    assert!(!keys.revoke(ALICE, issued.id).await.unwrap(), "it is gone");
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_a_bounded_number_of_keys_and_names_have_a_length() {
    let two = NonZeroU32::new(2).unwrap();
    let keys = keys(memory()).max_per_owner(two).build().unwrap();
    let first = issue(&keys).await;
    issue(&keys).await;
    let third = keys.issue(NewApiKey::new(ALICE)).await.unwrap_err();
    assert_eq!(
        (third.problem().status(), third.problem().code()),
        (StatusCode::CONFLICT, "too_many_api_keys")
    );
    keys.issue(NewApiKey::new(ApiKeyOwner::new("bob"))).await.unwrap();
    keys.revoke(ALICE, first.id).await.unwrap();
    issue(&keys).await;
    for name in ["", &"n".repeat(101)] {
        let error = keys.issue(NewApiKey::new(ALICE).name(name)).await.unwrap_err();
        assert_eq!(error.problem().status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_issues_exactly_20_succeed_and_all_can_be_ended() {
    let keys = keys(ApiKeyStore::memory()).build().unwrap();
    let barrier = Arc::new(tokio::sync::Barrier::new(64));
    let issues = (0..64).map(|_| {
        let (keys, barrier) = (keys.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            keys.issue(NewApiKey::new(ALICE)).await.ok()
        })
    });
    let mut made = Vec::new();
    for issue in issues.collect::<Vec<_>>() {
        made.extend(issue.await.unwrap());
    }
    assert_eq!(made.len(), 20);
    let bob = keys.issue(NewApiKey::new(ApiKeyOwner::new("bob"))).await.unwrap();
    assert_eq!(keys.revoke_all(ALICE).await.unwrap(), 20);
    for key in &made {
        assert_eq!(status(&keys, key.text.expose()).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&keys, bob.text.expose()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_calendar_ends_no_key_in_memory() {
    let clock = hardpoint_core::ManualClock::default();
    let keys = keys(InMemory::new().time(&clock)).time(&clock).build().unwrap();
    let issued = issue(&keys).await;
    clock.step_unix(Duration::from_secs(4_000_000_000));
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    clock.advance(90 * DAY);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_in_memory_makes_no_key_and_keeps_the_others() {
    let time = Time::custom(TokioClock::new());
    let keys = keys(InMemory::new().capacity(2).time(time)).build().unwrap();
    let day = NewApiKey::new(ALICE).lifetime(DAY);
    let [first, _] =
        [keys.issue(day.clone()).await.unwrap(), keys.issue(day.clone()).await.unwrap()];
    let full = keys.issue(day.clone()).await.unwrap_err();
    assert!(
        matches!(&full, ApiKeyError::Store(error) if error.kind() == StoreErrorKind::Unavailable)
    );
    assert_eq!(full.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&keys, first.text.expose()).await, StatusCode::OK);
    keys.revoke(ALICE, first.id).await.unwrap();
    keys.issue(day.clone()).await.unwrap();
    // Expired keys make room for those of any owner.
    tokio::time::sleep(DAY).await;
    let bob = ApiKeyOwner::new("bob");
    let mut made = 0;
    for _ in 0..1_000 {
        made += u32::from(keys.issue(NewApiKey::new(bob).lifetime(DAY)).await.is_ok());
        if made == 2 {
            return;
        }
    }
    panic!("{made} of 2 keys were made");
}

#[tokio::test(start_paused = true)]
async fn a_key_beside_a_token_is_refused_and_each_alone_is_accepted() {
    let (issuer, builder) = issuer_and_builder();
    let verifier = builder.build().unwrap();
    let token = token(&issuer, "notes:write");
    let bearer = format!("Bearer {}", token.expose());
    // With a scheme of their own, and with the scheme of tokens.
    for scheme in ["ApiKey", "Bearer"] {
        let keys = keys(memory()).scheme(scheme).build().unwrap();
        let issued = issue(&keys).await;
        let layer = AuthLayer::new(keys).add_authenticator(verifier.clone());
        let text = issued.text.expose();
        let as_scheme = with(&format!("{scheme} {text}"));
        for (request, method) in [
            (request(text), AuthMethod::ApiKey),
            (as_scheme, AuthMethod::ApiKey),
            (with(&bearer), AuthMethod::Token),
        ] {
            let (response, identity) = call(&layer, request).await;
            assert_eq!(response.status(), StatusCode::OK, "{scheme}, {method:?}");
            assert_eq!(identity.unwrap().method(), method);
        }
        let mut both = request(text);
        both.headers_mut().insert(AUTHORIZATION, bearer.parse().unwrap());
        assert_eq!(call(&layer, both).await.0.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_required_scope_is_looked_for_in_the_key() {
    let keys = keys(memory()).build().unwrap();
    let issued = issue(&keys).await;
    let auth = AuthLayer::new(keys);
    for (scope, expected) in
        [(READ, StatusCode::OK), (Scopes::from_static("notes:write"), StatusCode::FORBIDDEN)]
    {
        let handler = service_fn(async |_: Request<TestBody>| {
            Ok::<_, Infallible>(Response::new(TestBody::default()))
        });
        let service = auth.layer(RequireLayer::authenticated().scopes(scope).layer(handler));
        let Ok(response) = service.oneshot(request(issued.text.expose())).await;
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_can_refuse_keys() {
    let keys = keys(memory()).build().unwrap();
    let issued = issue(&keys).await;
    let auth = AuthLayer::new(keys);
    for (method, expected) in
        [(AuthMethod::ApiKey, StatusCode::OK), (AuthMethod::Token, StatusCode::FORBIDDEN)]
    {
        let handler = service_fn(async |_: Request<TestBody>| {
            Ok::<_, Infallible>(Response::new(TestBody::default()))
        });
        let service = auth.layer(RequireLayer::authenticated().auth_method(method).layer(handler));
        let Ok(response) = service.oneshot(request(issued.text.expose())).await;
        assert_eq!(response.status(), expected);
    }
}

#[test]
fn a_prefix_that_scanners_would_miss_is_refused_with_a_remedy() {
    for bad in ["", "a", "Acme", "acme-live", "acme_"] {
        let error = ApiKeys::builder(bad, ApiKeyStore::memory()).build().unwrap_err();
        assert!(matches!(&error, ConfigError::ApiKeyPrefix(prefix) if prefix == bad));
        assert!(error.to_string().contains("such as acme_live"), "{error}");
    }
}

#[test]
fn the_layer_keeps_the_contract_and_a_known_key_costs_no_allocation_of_its_own() {
    let keys = keys(ApiKeyStore::memory()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issued = runtime.block_on(issue(&keys));
    contract::run(&AuthLayer::new(keys.clone()), || request(issued.text.expose()));
    let credential = hardpoint_auth::Credential::new(issued.text.expose());
    let verify = || {
        use hardpoint_auth::Authenticator as _;
        matches!(keys.authenticate(credential), hardpoint_auth::Attempt::Now(Ok(_)))
    };
    assert!(verify());
    assert_eq!(contract::allocations_in(|| assert!(verify())), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_shows_a_key_or_its_owner() {
    let told = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&told);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        sink.lock().unwrap().push_str(&format!("{event:?}\n"));
    });
    let keys = keys(memory()).telemetry(&telemetry).build().unwrap();
    let owner = ApiKeyOwner::new("canary-of-the-owner");
    let new = NewApiKey::new(owner).name("canary-of-the-name");
    let issued = keys.issue(new.clone()).await.unwrap();
    status(&keys, issued.text.expose()).await;
    let listed = keys.list(owner).await.unwrap();
    let error = keys.issue(new.clone().name("")).await.unwrap_err();
    let shown = format!("{keys:?} {owner:?} {new:?} {issued:?} {listed:?} {error:?} {error}");
    let canaries = ["canary-of-the-owner", "canary-of-the-name", &issued.text.expose()[26..]];
    let scanner = LeakScanner::new(canaries);
    scanner.assert_clean("Debug and Display", shown.as_bytes());
    let told = told.lock().unwrap();
    assert!(told.contains("ApiKeyVerified"));
    scanner.assert_clean("the events", told.as_bytes());
}
