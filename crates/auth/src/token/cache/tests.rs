//! The table by itself.

use super::{digest::Kept, *};
use crate::{Algorithm, KeySet, Profile, SigningKey, TokenIssuer, TokenVerifier, VerifyErrorKind};
use hardpoint_core::{ManualClock, Secret};

const NOW: Duration = Duration::from_secs(1_800_000_000);

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

/// A token with this payload, as if it had been signed.
fn verified_of(payload: &str) -> Verified {
    let source = Source::new();
    let (_, verified) = source.token("alice");
    let claims = crate::token::claims::Registered::parse(payload, "a").unwrap();
    let times = *verified.times();
    crate::token::verified::Claimed::of(payload, &claims, times, verified.key().clone())
        .with(payload.to_owned())
}

const MODES: [TokenCache; 2] = [TokenCache::digest(), TokenCache::full_token()];

#[test]
fn a_token_is_known_by_every_byte_of_it() {
    let source = Source::new();
    for settings in MODES {
        let cache = Cache::new(settings);
        let (token, verified) = source.token("alice");
        let token = token.expose();
        assert!(cache.find(token, NOW).is_none());
        cache.insert(token, &verified, NOW);
        assert_eq!(cache.find(token, NOW).unwrap().subject(), "alice");
        // CVE-2026-35030 took the first 20 bytes for the whole; ours are compared one by one.
        for place in 0..token.len() {
            let mut other = token.to_owned().into_bytes();
            other[place] = if other[place] == b'x' { b'y' } else { b'x' };
            assert!(cache.find(std::str::from_utf8(&other).unwrap(), NOW).is_none(), "{place}");
        }
        assert!(cache.find(&token[..token.len() - 1], NOW).is_none());
        assert!(cache.find(&format!("{token}x"), NOW).is_none());
        // The same signature under another header and payload falls into the same bucket.
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(cache.find(&format!("a.b.{signature}"), NOW).is_none());
        cache.remove(token);
        assert!(cache.find(token, NOW).is_none());
    }
}

#[test]
fn each_mode_keeps_what_it_says() {
    let [digest, full] = MODES.map(|settings| Cache::new(settings).identity);
    let kept = |identity: Identity| identity.of("a.b.c").unwrap().to_kept();
    assert!(matches!(kept(digest), Kept::Digest(_)));
    assert!(matches!(kept(full), Kept::Full(token) if **token == *b"a.b.c"));
}

#[test]
fn it_is_bounded_in_entries_and_in_bytes() {
    let source = Source::new();
    for settings in MODES {
        let cache = Cache::new(settings.entries(64));
        for index in 0..300 {
            let (token, verified) = source.token(&index.to_string());
            cache.insert(token.expose(), &verified, NOW);
        }
        assert!((64..=88).contains(&cache.table.len()), "{}", cache.table.len());
        let small = Cache::new(settings.entries(64).bytes(256 * 1024));
        for index in 0..300 {
            let (token, verified) = source.token(&index.to_string().repeat(500));
            small.insert(token.expose(), &verified, NOW);
            assert!(small.table.bytes_in_use() <= 256 * 1024);
        }
        assert!(small.table.len() >= 8, "one in each bucket: {}", small.table.len());
        for none in [settings.entries(0), settings.bytes(0)] {
            let cache = Cache::new(none);
            let (token, verified) = source.token("alice");
            cache.insert(token.expose(), &verified, NOW);
            assert!(cache.find(token.expose(), NOW).is_none());
        }
    }
}

#[test]
fn what_claims_take_once_read_is_counted_before() {
    // Small texts that take much: tiny objects, and lists of digits.
    for filler in [r#"[{"a":0},{"a":0}"#, "[0,0,0,0", r#"{"a":{"b":{"c":{}}}"#] {
        let members: Vec<_> = (0..40).map(|index| format!("\"m{index}\":{filler}")).collect();
        let closed = members.iter().map(|member| {
            let (lists, objects) = (member.matches('[').count(), member.matches('{').count());
            let open = objects - member.matches('}').count();
            format!("{member}{}{}", "}".repeat(open), "]".repeat(lists))
        });
        let payload = format!("{{{}}}", closed.collect::<Vec<_>>().join(","));
        let verified = verified_of(&payload);
        let before = verified.size();
        let taken = allocation_counter::measure(|| {
            std::hint::black_box(verified.claims());
        });
        let taken = usize::try_from(taken.bytes_current).unwrap();
        assert!(taken > 1_000, "the claims are kept: {taken}");
        assert!(taken <= before, "{filler}: {taken} bytes, and {before} were counted");
        assert_eq!(verified.size(), before);
    }
}

#[test]
fn a_working_set_that_fits_is_known_whatever_order_it_comes_in() {
    let source = Source::new();
    // Each comes again when all others have, and there are just as many as were announced.
    for (settings, count) in MODES.into_iter().zip([6, 3_000]) {
        let cache = Cache::new(settings.entries(count));
        let tokens: Vec<_> = (0..count).map(|index| source.token(&index.to_string())).collect();
        for (token, verified) in &tokens {
            cache.insert(token.expose(), verified, NOW);
        }
        for _ in 0..2 {
            let known =
                |(token, _): &&(Secret<str>, Verified)| cache.find(token.expose(), NOW).is_some();
            let missed = count - tokens.iter().filter(known).count();
            assert!(missed <= count / 1_000, "{missed} of {count}");
        }
    }
}

#[test]
fn the_tokens_of_one_subject_push_out_each_other_and_nobody_elses() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::digest().entries(64));
    let others: Vec<_> = (0..24).map(|index| source.token(&format!("user-{index}"))).collect();
    for (token, verified) in &others {
        cache.insert(token.expose(), verified, NOW);
    }
    let known = |cache: &Cache| {
        others.iter().filter(|(token, _)| cache.find(token.expose(), NOW).is_some()).count()
    };
    // Not even found in between: they have nothing but their place.
    let before = cache.table.len();
    for _ in 0..600 {
        let (token, verified) = source.token("mallory");
        cache.insert(token.expose(), &verified, NOW);
    }
    assert_eq!(cache.table.len(), 88, "every place is taken");
    assert!(known(&cache) >= before - 2, "{} of {before}", known(&cache));
}

#[test]
fn a_token_is_known_for_its_time_and_no_longer() {
    let source = Source::new();
    for settings in MODES {
        let cache = Cache::new(settings.time_to_live(Duration::from_secs(30)));
        let (token, verified) = source.token("alice");
        cache.insert(token.expose(), &verified, NOW);
        let known = |now: Duration| cache.find(token.expose(), now).is_some();
        assert!(known(NOW) && known(NOW + Duration::from_millis(29_999)));
        assert!(!known(NOW + Duration::from_secs(30)));
        assert!(!known(NOW - Duration::from_secs(1)), "the calendar was set back");
        // Verified anew it is known anew, in its place.
        cache.insert(token.expose(), &verified, NOW + Duration::from_secs(30));
        assert!(known(NOW + Duration::from_secs(59)));
        assert_eq!(cache.table.len(), 1);
        let none = Cache::new(settings.time_to_live(Duration::ZERO));
        none.insert(token.expose(), &verified, NOW);
        assert!(none.find(token.expose(), NOW).is_none());
    }
}

#[test]
fn tokens_that_are_known_too_long_make_room_first() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::digest().entries(6));
    // Eight places of one bucket.
    let (soon, later) = (NOW + Duration::from_secs(40), NOW + Duration::from_secs(60));
    let tokens: Vec<_> = (0..8).map(|index| source.token(&index.to_string())).collect();
    for (index, (token, verified)) in tokens.iter().enumerate() {
        cache.insert(token.expose(), verified, if index == 0 { NOW } else { soon });
        // The oldest is often asked for, so that only its age speaks against it.
        assert!((0..3).all(|_| cache.find(tokens[0].0.expose(), soon).is_some()));
    }
    let (newcomer, verified) = source.token("newcomer");
    cache.insert(newcomer.expose(), &verified, later);
    assert!(cache.find(newcomer.expose(), later).is_some());
    assert!(tokens[1..].iter().all(|(token, _)| cache.find(token.expose(), later).is_some()));
    assert_eq!(cache.table.len(), 8);
}

#[test]
fn tokens_that_come_again_outlive_a_spray_of_those_that_come_once() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::digest().entries(64));
    let hot: Vec<_> = (0..8).map(|index| source.token(&format!("hot-{index}"))).collect();
    for (token, verified) in &hot {
        cache.insert(token.expose(), verified, NOW);
        cache.find(token.expose(), NOW).unwrap();
    }
    for index in 0..600 {
        let (token, verified) = source.token(&index.to_string());
        cache.insert(token.expose(), &verified, NOW);
    }
    let left = hot.iter().filter(|(token, _)| cache.find(token.expose(), NOW).is_some()).count();
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
        cache.insert(token.expose(), &verified, NOW);
        cache.insert(long.expose(), &of_long, NOW);
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
    let found_by_all: usize = std::thread::scope(|scope| {
        let threads = (0..4).map(|shift| {
            let (cache, tokens) = (&cache, &tokens);
            scope.spawn(move || {
                let mut finds = 0;
                for round in 0..2_000 {
                    let (token, verified) = &tokens[(round * 7 + shift) % tokens.len()];
                    if let Some(found) = cache.find(token.expose(), NOW) {
                        assert_eq!(found.subject(), verified.subject());
                        finds += 1;
                    } else {
                        cache.insert(token.expose(), verified, NOW);
                    }
                }
                finds
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(cache.table.len() <= 24);
    assert!(found_by_all > 100, "{found_by_all} of 8000");
}
