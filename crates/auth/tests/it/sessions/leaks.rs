//! Nothing that opens a session is at rest or comes out, and half of the secrets forges nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_testkit::leak::LeakScanner;

use super::*;

#[tokio::test]
async fn no_token_is_in_an_event_an_error_a_problem_or_a_debug_text() {
    let service = Service::with(|builder| builder.grace(Duration::ZERO));
    let client = SessionClient::new().user_agent("canary-agent").binding(b"canary-binding");
    let grant = Grant::new().scopes(["canary-scope"]).claim("email", "canary-mail");
    let log_in = service.sessions.log_in("canary-subject").grant(grant.clone());
    let log_in = log_in.client(client.clone());
    let mut shown = format!("{log_in:?} {grant:?} {client:?}");
    let first = log_in.open().await.unwrap();
    let rotated = service.sessions.rotate(first.refresh_token(), &client).await.unwrap();
    shown += &format!("{rotated:?} {:?}", rotated.session());
    let second = rotated.mint(&grant).unwrap();
    let listed = service.sessions.sessions("canary-subject").await.unwrap();
    let reused = service.sessions.rotate(first.refresh_token(), &client).await.unwrap_err();
    let unknown = service.sessions.rotate(second.refresh_token(), &client).await.unwrap_err();
    let invalid = service.sessions.rotate("hrt_x", &client).await.unwrap_err();
    shown += &format!("{first:?} {second:?} {listed:?} {:?}", service.sessions);
    shown += &format!("{:?} {:?} {:?}", service.store, service.store.revocations(), root(1));
    for error in [reused, unknown, invalid] {
        let problem = hardpoint_core::Rejection::problem(&error).to_json(None);
        shown += &format!("{error:?} {error} {}", String::from_utf8(problem).unwrap());
    }
    let (id, told) = (first.session().id.to_string(), service.told.all.lock().unwrap().clone());
    let (a, b) = (first.refresh_token(), second.refresh_token());
    let secrets = [
        a,
        b,
        &a[4..],
        &b[4..],
        first.access_token(),
        second.access_token(),
        "canary-subject",
        "canary-scope",
        "canary-mail",
        "canary-agent",
        "canary-binding",
        &id,
    ];
    let scanner = LeakScanner::new(secrets);
    scanner.assert_clean("debug, display and problems", shown.as_bytes());
    assert_eq!(told.matches("SessionReused(").count(), 1, "{told}");
    scanner.assert_clean("events", told.as_bytes());
}

/// The parts of a token: version, key id, session, generation, proof, tag.
fn parts(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(&token[4..]).unwrap()
}

fn text(bytes: &[u8]) -> String {
    format!("hrt_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// An attacker with the root secret but without a token of the session: the proof is unknown.
#[tokio::test]
async fn a_leaked_key_forges_nothing() {
    let service = Service::new();
    let victim = service.log_in("alice").await;
    let session = victim.session().id;
    // The same root in the attacker's own service makes authentic tags.
    let attacker = Service::on(SessionStore::memory(), service.clock.clone(), &root(1), |b| b);
    let own = attacker.log_in("alice").await;
    assert!(matches!(service.refresh(own.refresh_token()).await, Err(SessionError::Unknown)));
    let mut forged = parts(own.refresh_token());
    forged[5..21].copy_from_slice(session.as_bytes());
    let untagged = service.refresh(&text(&forged)).await;
    assert!(matches!(untagged, Err(SessionError::Invalid)), "{untagged:?}");
    // The victim's session is untouched: a forger cannot even end it.
    assert!(service.refresh(victim.refresh_token()).await.is_ok());
}

/// An attacker who knows all that a store keeps, with a key of its own.
#[tokio::test]
async fn a_leaked_store_forges_nothing() {
    let service = Service::new();
    let victim = service.log_in("alice").await;
    let attacker = Service::on(service.store.clone(), service.clock.clone(), &root(9), |b| b);
    let own = attacker.log_in("mallory").await;
    let mut forged = parts(own.refresh_token());
    let genuine = parts(victim.refresh_token());
    // Session and generation are in the store; the tag is the attacker's.
    forged[5..29].copy_from_slice(&genuine[5..29]);
    assert!(matches!(service.refresh(&text(&forged)).await, Err(SessionError::Invalid)));
    // Not even with a key id that is known here.
    forged[1..5].copy_from_slice(&genuine[1..5]);
    assert!(matches!(service.refresh(&text(&forged)).await, Err(SessionError::Invalid)));
    assert!(service.refresh(victim.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn garbage_never_reaches_the_store() {
    let service = Service::new();
    let first = service.log_in("alice").await;
    let genuine = parts(first.refresh_token());
    for place in 0..genuine.len() {
        let mut forged = genuine.clone();
        forged[place] ^= 1;
        let refused = service.refresh(&text(&forged)).await;
        assert!(matches!(refused, Err(SessionError::Invalid)), "byte {place}: {refused:?}");
    }
}

/// What the process keeps for a session, searched for the token and its parts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_the_store_holds_no_token() {
    use hardpoint_testkit::leak::memory_contains;

    let service = Service::new();
    let mut masked = {
        let first = service.log_in("alice").await;
        let bytes = first.refresh_token().as_bytes();
        bytes[4..].iter().map(|byte| byte ^ 0x5A).collect::<Vec<u8>>()
    };
    assert!(!memory_contains(&masked), "a session is open, and its token is only at the client");
    masked.clear();
}
