//! The table by itself.

use super::*;
use crate::{Algorithm, KeySet, Profile, SigningKey, TokenIssuer, TokenVerifier, VerifyErrorKind};
use hardpoint_core::{ManualClock, Secret};

/// Mints tokens, and verifies them for a cache.
struct Source {
    issuer: TokenIssuer<ManualClock>,
    verifier: TokenVerifier<ManualClock>,
}

impl Source {
    fn new() -> Self {
        let (key, clock) = (SigningKey::generate().unwrap(), ManualClock::default());
        let keys = KeySet::new([key.verifying_key()]).unwrap();
        Self {
            issuer: TokenIssuer::new(key, "i", "a").with_clock(clock.clone()),
            verifier: TokenVerifier::new(keys, "i", "a").with_clock(clock),
        }
    }

    fn token(&self, subject: &str) -> (Secret<str>, Verified) {
        let token = self.issuer.issue(subject, &crate::Scopes::none()).unwrap();
        let verified = self.verifier.verify(token.expose()).unwrap();
        (token, verified)
    }
}

const MODES: [TokenCache; 2] = [TokenCache::digest(), TokenCache::full_token()];

#[test]
fn a_token_is_known_by_every_byte_of_it() {
    let source = Source::new();
    for settings in MODES {
        let cache = Cache::new(settings);
        let (token, verified) = source.token("alice");
        let token = token.expose();
        assert!(cache.find(token).is_none());
        cache.insert(token, &verified);
        assert_eq!(cache.find(token).unwrap().subject(), "alice");
        // CVE-2026-35030 took the first 20 bytes for the whole; ours are compared one by one.
        for place in 0..token.len() {
            let mut other = token.to_owned().into_bytes();
            other[place] = if other[place] == b'x' { b'y' } else { b'x' };
            assert!(cache.find(std::str::from_utf8(&other).unwrap()).is_none(), "{place}");
        }
        assert!(cache.find(&token[..token.len() - 1]).is_none());
        assert!(cache.find(&format!("{token}x")).is_none());
        // The same signature under another header and payload falls into the same bucket.
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(cache.find(&format!("a.b.{signature}")).is_none());
        cache.remove(token);
        assert!(cache.find(token).is_none());
    }
}

#[test]
fn it_is_bounded_in_entries_and_in_bytes() {
    let source = Source::new();
    for settings in MODES {
        let cache = Cache::new(settings.entries(64));
        for index in 0..300 {
            let (token, verified) = source.token(&index.to_string());
            cache.insert(token.expose(), &verified);
        }
        assert!((16..=64).contains(&cache.table.len()), "{}", cache.table.len());
        let small = Cache::new(settings.entries(64).bytes(64 * 1024));
        for index in 0..300 {
            let (token, verified) = source.token(&index.to_string().repeat(500));
            small.insert(token.expose(), &verified);
            assert!(small.table.bytes_in_use() <= 64 * 1024);
        }
        assert!(small.table.len() >= 8, "one in each bucket: {}", small.table.len());
        for none in [settings.entries(0), settings.bytes(0)] {
            let cache = Cache::new(none);
            let (token, verified) = source.token("alice");
            cache.insert(token.expose(), &verified);
            assert!(cache.find(token.expose()).is_none());
        }
    }
}

#[test]
fn tokens_that_come_again_outlive_a_spray_of_those_that_come_once() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::digest().entries(64));
    let hot: Vec<_> = (0..8).map(|index| source.token(&format!("hot-{index}"))).collect();
    for (token, verified) in &hot {
        cache.insert(token.expose(), verified);
        cache.find(token.expose()).unwrap();
    }
    for index in 0..600 {
        let (token, verified) = source.token(&index.to_string());
        cache.insert(token.expose(), &verified);
    }
    let left = hot.iter().filter(|(token, _)| cache.find(token.expose()).is_some()).count();
    assert_eq!(left, 8);
}

#[test]
fn what_gains_nothing_is_not_kept() {
    let secret: Vec<u8> = (0..32).collect();
    let key = SigningKey::symmetric(Algorithm::Hs256, secret.into()).unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::new(key, "i", "a");
    let verifier = TokenVerifier::new(keys, "i", "a");
    let token = issuer.issue("alice", &crate::Scopes::none()).unwrap();
    let verified = verifier.verify(token.expose()).unwrap();
    let source = Source::new();
    let (long, of_long) = source.token(&"a".repeat(4000));
    for settings in MODES {
        let cache = Cache::new(settings);
        cache.insert(token.expose(), &verified);
        cache.insert(long.expose(), &of_long);
        assert_eq!(cache.table.len(), 0);
    }
}

#[test]
fn other_expectations_know_none_of_the_tokens_before() {
    let source = Source::new();
    let cached = source.verifier.clone().cache(TokenCache::full_token());
    let (token, _) = source.token("alice");
    assert!(cached.verify(token.expose()).is_ok());
    let plain = cached.clone().profile(Profile::plain());
    assert_eq!(plain.verify(token.expose()).unwrap_err().kind(), VerifyErrorKind::Type);
    assert!(cached.verify(token.expose()).is_ok());
}

#[test]
fn threads_find_what_others_have_put() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::full_token().entries(16));
    let tokens: Vec<_> = (0..32).map(|index| source.token(&index.to_string())).collect();
    std::thread::scope(|scope| {
        for shift in 0..4 {
            let (cache, tokens) = (&cache, &tokens);
            scope.spawn(move || {
                for round in 0..2_000 {
                    let (token, verified) = &tokens[(round * 7 + shift) % tokens.len()];
                    if let Some(found) = cache.find(token.expose()) {
                        assert_eq!(found.subject(), verified.subject());
                    } else {
                        cache.insert(token.expose(), verified);
                    }
                }
            });
        }
    });
    assert!(cache.table.len() <= 16);
}
