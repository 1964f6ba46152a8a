//! Keys that follow one another.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Clock, ManualClock};
use tokio::sync::watch;

use super::*;
use crate::{TokenCache, TokenIssuer, TokenVerifier, VerifyErrorKind};

const HOUR: Duration = Duration::from_secs(3600);

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

#[test]
fn what_a_key_may_do_follows_from_the_time() {
    let now = ManualClock::default().unix();
    let (first, second) = (key(), key());
    let (old, new) = (first.key_id().to_owned(), second.key_id().to_owned());
    let ring = KeyRing::new(first).add_key(second, now + HOUR).unwrap();
    let states = |now| (ring.state(&old, now).unwrap(), ring.state(&new, now).unwrap());
    use KeyState::*;
    assert_eq!(states(now), (Active, Pending));
    assert_eq!(states(now + HOUR - Duration::from_nanos(1)), (Active, Pending));
    assert_eq!(states(now + HOUR), (VerifyOnly, Active));
    assert_eq!(states(now + 2 * HOUR - Duration::from_nanos(1)), (VerifyOnly, Active));
    assert_eq!(states(now + 2 * HOUR), (Revoked, Active));
    assert_eq!(ring.state("nobody", now), None);
    assert_eq!(ring.next_change(now), Some(now + HOUR));
    assert_eq!(ring.next_change(now + HOUR), Some(now + 2 * HOUR));
    assert_eq!(ring.next_change(now + 2 * HOUR), None);
    let ids = |now| {
        let set = ring.key_set(now).unwrap();
        set.iter().map(|key| key.key_id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(now), [old.clone(), new.clone()]);
    assert_eq!(ids(now + 2 * HOUR), std::slice::from_ref(&new));
    let revoked = ring.clone().revoke(&new).unwrap();
    assert_eq!(revoked.state(&new, now + HOUR), Some(Revoked));
    assert_eq!(revoked.state(&old, now + 9 * HOUR), Some(Active), "nothing follows it");
    assert!(revoked.clone().revoke("nobody").is_err());
    let none = revoked.revoke(&old).unwrap();
    assert!(none.signing_key(now).is_none());
    assert_eq!(none.key_set(now).unwrap_err(), KeySetError::Empty);
}

#[test]
fn a_key_of_before_the_ring_verifies_until_its_time_is_over() {
    let now = ManualClock::default().unix();
    let public = key().verifying_key();
    let id = public.key_id().to_owned();
    let ring = KeyRing::new(key()).add_verifying_key(public.clone(), now + HOUR).unwrap();
    assert_eq!(ring.state(&id, now), Some(KeyState::VerifyOnly));
    assert_eq!(ring.state(&id, now + HOUR), Some(KeyState::Revoked));
    assert!(ring.add_verifying_key(public, now).is_err(), "it is there already");
}

#[test]
fn tokens_outlive_a_rotation_and_no_token_is_refused_by_it() {
    let clock = ManualClock::default();
    let start = clock.unix();
    let ring = KeyRing::new(key()).add_key(key(), start + HOUR).unwrap();
    let (_send, keys) = watch::channel(Arc::new(ring.key_set(start).unwrap()));
    let (_keep, rings) = watch::channel(Arc::new(ring));
    let issuer = TokenIssuer::rotating(rings, "i", "a").with_clock(clock.clone());
    let verifier =
        TokenVerifier::watching(keys, "i", "a").with_clock(clock.clone()).cache(TokenCache::new());
    let mut live: Vec<(crate::IssuedToken, Duration)> = Vec::new();
    let mut signers = Vec::new();
    for _ in 0..60 {
        let token = issuer.issue("alice", "").unwrap();
        live.push((token, clock.unix() + issuer.lifetime()));
        signers.push(issuer.signing_key().unwrap().key_id().to_owned());
        live.retain(|(_, expiry)| clock.unix() < *expiry);
        for (token, _) in &live {
            assert!(verifier.verify(token.expose()).is_ok());
        }
        clock.advance(Duration::from_secs(120));
    }
    signers.dedup();
    assert_eq!(signers.len(), 2, "both have signed, one after the other");
}

#[test]
fn a_key_stops_to_verify_when_its_time_is_over_even_for_tokens_seen_before() {
    let clock = ManualClock::default();
    let start = clock.unix();
    let first = key();
    let old =
        TokenIssuer::new(SigningKey::from_pem(first.to_pem().unwrap().expose()).unwrap(), "i", "a")
            .with_lifetime(24 * HOUR)
            .with_clock(clock.clone());
    let ring = KeyRing::new(first).add_key(key(), start + HOUR).unwrap();
    let verifier = TokenVerifier::new(ring.key_set(start).unwrap(), "i", "a")
        .with_clock(clock.clone())
        .cache(TokenCache::new());
    let token = old.issue("alice", "").unwrap();
    assert!(verifier.verify(token.expose()).is_ok());
    clock.advance(2 * HOUR);
    // The set is the same: the time alone has passed.
    assert_eq!(verifier.verify(token.expose()).unwrap_err().kind(), VerifyErrorKind::KeyId);
}

#[test]
fn revoking_one_key_forgets_its_tokens_at_once_and_no_others() {
    let clock = ManualClock::default();
    let (bad, good) = (Arc::new(key()), Arc::new(key()));
    let both = KeySet::new([bad.verifying_key(), good.verifying_key()]).unwrap();
    let (send, keys) = watch::channel(Arc::new(both));
    let verifier =
        TokenVerifier::watching(keys, "i", "a").with_clock(clock.clone()).cache(TokenCache::new());
    let mint = |key: &Arc<SigningKey>| {
        let issuer = TokenIssuer::new(Arc::clone(key), "i", "a").with_clock(clock.clone());
        issuer.issue("alice", "").unwrap()
    };
    let (of_bad, of_good) = (mint(&bad), mint(&good));
    assert!(verifier.verify(of_bad.expose()).is_ok() && verifier.verify(of_good.expose()).is_ok());
    send.send_replace(Arc::new(KeySet::new([good.verifying_key()]).unwrap()));
    assert_eq!(verifier.verify(of_bad.expose()).unwrap_err().kind(), VerifyErrorKind::KeyId);
    assert!(verifier.verify(of_good.expose()).is_ok());
    // Another key under the same id is another key.
    let impostor = key().verifying_key().named(good.key_id()).unwrap();
    send.send_replace(Arc::new(KeySet::new([impostor]).unwrap()));
    assert_eq!(verifier.verify(of_good.expose()).unwrap_err().kind(), VerifyErrorKind::Signature);
}
