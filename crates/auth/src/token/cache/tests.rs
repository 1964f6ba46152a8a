//! The table by itself.

use super::*;
use crate::{
    Algorithm, IssuedToken, KeySet, Profile, SigningKey, TokenIssuer, TokenVerifier,
    VerifyErrorKind,
};
use hardpoint_core::ManualClock;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Mints tokens, and verifies them for a cache.
struct Source {
    issuer: TokenIssuer,
    verifier: TokenVerifier,
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

    fn token(&self, subject: &str) -> (IssuedToken, VerifiedToken) {
        let token = self.issuer.issue(subject, "").unwrap();
        let verified = self.verifier.verify(token.expose()).unwrap();
        (token, verified)
    }
}

/// A token with this payload, as if it had been signed.
fn verified_of(payload: &str) -> VerifiedToken {
    let source = Source::new();
    let (_, verified) = source.token("alice");
    let plan = crate::token::claims::Plan::new(Profile::plain(), None).unwrap();
    let texts = plan.read(payload, |_| false).unwrap().texts().unwrap();
    VerifiedToken::new(payload, &texts, *verified.times(), verified.key())
}

fn split(token: &str) -> Result<Parts<'_>, VerifyErrorKind> {
    Parts::split(token, crate::token::profile::Limits::DEFAULT)
}

impl Cache {
    pub(in crate::token) fn settings(&self) -> TokenCache {
        self.settings
    }

    fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.entries().count()).sum()
    }

    fn bytes_in_use(&self) -> usize {
        self.buckets.iter().map(Bucket::size).sum()
    }

    fn find_text(&self, token: &str, now: Duration) -> Option<VerifiedToken> {
        self.find(&split(token).ok()?, now)
    }

    fn insert_text(&self, token: &str, verified: &VerifiedToken, now: Duration) {
        self.insert(&split(token).unwrap(), verified, now);
    }
}

#[test]
fn a_token_is_known_by_every_byte_of_it() {
    let source = Source::new();
    let settings = TokenCache::new();
    let cache = Cache::new(settings);
    let (token, verified) = source.token("alice");
    let token = token.expose();
    assert!(cache.find_text(token, NOW).is_none());
    cache.insert_text(token, &verified, NOW);
    assert_eq!(cache.find_text(token, NOW).unwrap().subject(), "alice");
    // CVE-2026-35030 took the first 20 bytes for the whole; ours are compared one by one.
    for place in 0..token.len() {
        let mut other = token.to_owned().into_bytes();
        other[place] = if other[place] == b'x' { b'y' } else { b'x' };
        assert!(cache.find_text(std::str::from_utf8(&other).unwrap(), NOW).is_none(), "{place}");
    }
    assert!(cache.find_text(&token[..token.len() - 1], NOW).is_none());
    assert!(cache.find_text(&format!("{token}x"), NOW).is_none());
    // The same signature under another header and payload falls into the same bucket.
    let signature = token.rsplit_once('.').unwrap().1;
    assert!(cache.find_text(&format!("a.b.{signature}"), NOW).is_none());
    cache.remove(&split(token).unwrap());
    assert!(cache.find_text(token, NOW).is_none());
}

#[test]
fn it_is_bounded_in_entries_and_in_bytes() {
    let source = Source::new();
    let settings = TokenCache::new();
    let cache = Cache::new(settings.entries(64));
    for index in 0..300 {
        let (token, verified) = source.token(&index.to_string());
        cache.insert_text(token.expose(), &verified, NOW);
    }
    assert!((64..=88).contains(&cache.len()), "{}", cache.len());
    let small = Cache::new(settings.entries(64).bytes(256 * 1024));
    for index in 0..300 {
        let (token, verified) = source.token(&index.to_string().repeat(500));
        small.insert_text(token.expose(), &verified, NOW);
        assert!(small.bytes_in_use() <= 256 * 1024);
    }
    assert!(small.len() >= 8, "one in each bucket: {}", small.len());
    for none in [settings.entries(0), settings.bytes(0)] {
        let cache = Cache::new(none);
        let (token, verified) = source.token("alice");
        cache.insert_text(token.expose(), &verified, NOW);
        assert!(cache.find_text(token.expose(), NOW).is_none());
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
        let filler = closed.collect::<Vec<_>>().join(",");
        let payload = format!("{{\"sub\":\"a\",{filler}}}");
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
    for count in [6, 3_000] {
        let settings = TokenCache::new();
        let cache = Cache::new(settings.entries(count));
        let tokens: Vec<_> = (0..count).map(|index| source.token(&index.to_string())).collect();
        for (token, verified) in &tokens {
            cache.insert_text(token.expose(), verified, NOW);
        }
        for _ in 0..2 {
            let known = |(token, _): &&(IssuedToken, VerifiedToken)| {
                cache.find_text(token.expose(), NOW).is_some()
            };
            let missed = count - tokens.iter().filter(known).count();
            assert!(missed <= count / 1_000, "{missed} of {count}");
        }
    }
}

#[test]
fn the_tokens_of_one_subject_push_out_each_other_and_nobody_elses() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::new().entries(64));
    let others: Vec<_> = (0..24).map(|index| source.token(&format!("user-{index}"))).collect();
    for (token, verified) in &others {
        cache.insert_text(token.expose(), verified, NOW);
    }
    let known = |cache: &Cache| {
        others.iter().filter(|(token, _)| cache.find_text(token.expose(), NOW).is_some()).count()
    };
    // Not even found in between: they have nothing but their place.
    let before = cache.len();
    for _ in 0..600 {
        let (token, verified) = source.token("mallory");
        cache.insert_text(token.expose(), &verified, NOW);
    }
    assert_eq!(cache.len(), 88, "every place is taken");
    assert!(known(&cache) >= before - 2, "{} of {before}", known(&cache));
}

#[test]
fn a_token_is_known_for_its_time_and_no_longer() {
    let source = Source::new();
    let settings = TokenCache::new();
    let cache = Cache::new(settings.time_to_live(Duration::from_secs(30)));
    let (token, verified) = source.token("alice");
    cache.insert_text(token.expose(), &verified, NOW);
    let known = |now: Duration| cache.find_text(token.expose(), now).is_some();
    assert!(known(NOW) && known(NOW + Duration::from_millis(29_999)));
    assert!(!known(NOW + Duration::from_secs(30)));
    assert!(!known(NOW - Duration::from_secs(1)), "the calendar was set back");
    // VerifiedToken anew it is known anew, in its place.
    cache.insert_text(token.expose(), &verified, NOW + Duration::from_secs(30));
    assert!(known(NOW + Duration::from_secs(59)));
    assert_eq!(cache.len(), 1);
    let none = Cache::new(settings.time_to_live(Duration::ZERO));
    none.insert_text(token.expose(), &verified, NOW);
    assert!(none.find_text(token.expose(), NOW).is_none());
}

#[test]
fn tokens_that_are_known_too_long_make_room_first() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::new().entries(6));
    // Eight places of one bucket.
    let (soon, later) = (NOW + Duration::from_secs(40), NOW + Duration::from_secs(60));
    let tokens: Vec<_> = (0..8).map(|index| source.token(&index.to_string())).collect();
    for (index, (token, verified)) in tokens.iter().enumerate() {
        cache.insert_text(token.expose(), verified, if index == 0 { NOW } else { soon });
        // The oldest is often asked for, so that only its age speaks against it.
        assert!((0..3).all(|_| cache.find_text(tokens[0].0.expose(), soon).is_some()));
    }
    let (newcomer, verified) = source.token("newcomer");
    cache.insert_text(newcomer.expose(), &verified, later);
    assert!(cache.find_text(newcomer.expose(), later).is_some());
    assert!(tokens[1..].iter().all(|(token, _)| cache.find_text(token.expose(), later).is_some()));
    assert_eq!(cache.len(), 8);
}

#[test]
fn tokens_that_come_again_outlive_a_spray_of_those_that_come_once() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::new().entries(64));
    let hot: Vec<_> = (0..8).map(|index| source.token(&format!("hot-{index}"))).collect();
    for (token, verified) in &hot {
        cache.insert_text(token.expose(), verified, NOW);
        cache.find_text(token.expose(), NOW).unwrap();
    }
    for index in 0..600 {
        let (token, verified) = source.token(&index.to_string());
        cache.insert_text(token.expose(), &verified, NOW);
    }
    let left =
        hot.iter().filter(|(token, _)| cache.find_text(token.expose(), NOW).is_some()).count();
    assert_eq!(left, 8);
}

#[test]
fn a_token_signed_with_a_secret_is_kept_and_a_long_one_is_not() {
    let secret = crate::key::test_keys::secret(32);
    let key = SigningKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let token = TokenIssuer::new(key, "i", "a").issue("alice", "").unwrap();
    let verified = TokenVerifier::new(keys, "i", "a").verify(token.expose()).unwrap();
    let (long, of_long) = Source::new().token(&"a".repeat(4000));
    let cache = Cache::new(TokenCache::new());
    cache.insert_text(token.expose(), &verified, NOW);
    cache.insert_text(long.expose(), &of_long, NOW);
    assert!(cache.find_text(token.expose(), NOW).is_some());
    assert_eq!(cache.len(), 1);
}

#[test]
fn the_tag_covers_the_whole_signature_and_each_cache_has_its_own_key() {
    let (token, verified) = Source::new().token("alice");
    let parts = split(token.expose()).unwrap();
    let [one, other] = [(); 2].map(|()| Cache::new(TokenCache::new()));
    assert_ne!(one.id(&parts).unwrap().tag, other.id(&parts).unwrap().tag);
    one.insert(&parts, &verified, NOW);
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    for place in 0..signature.len() {
        let mut altered = signature.as_bytes().to_vec();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        let altered = format!("{signed}.{}", std::str::from_utf8(&altered).unwrap());
        assert!(one.find_text(&altered, NOW).is_none(), "{place}");
    }
}

#[test]
fn other_expectations_know_none_of_the_tokens_before() {
    let source = Source::new();
    let cached = source.verifier.clone().cache(TokenCache::new());
    let (token, _) = source.token("alice");
    assert!(cached.verify(token.expose()).is_ok());
    let plain = cached.clone().profile(Profile::plain());
    assert_eq!(plain.verify(token.expose()).unwrap_err().kind(), VerifyErrorKind::Type);
    assert!(cached.verify(token.expose()).is_ok());
}

#[test]
fn threads_find_what_others_have_put() {
    let source = Source::new();
    let cache = Cache::new(TokenCache::new().entries(16));
    let tokens: Vec<_> = (0..32).map(|index| source.token(&index.to_string())).collect();
    let found_by_all: usize = std::thread::scope(|scope| {
        let threads = (0..4).map(|shift| {
            let (cache, tokens) = (&cache, &tokens);
            scope.spawn(move || {
                let mut finds = 0;
                for round in 0..2_000 {
                    let (token, verified) = &tokens[(round * 7 + shift) % tokens.len()];
                    if let Some(found) = cache.find_text(token.expose(), NOW) {
                        assert_eq!(found.subject(), verified.subject());
                        finds += 1;
                    } else {
                        cache.insert_text(token.expose(), verified, NOW);
                    }
                }
                finds
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(cache.len() <= 24);
    assert!(found_by_all > 100, "{found_by_all} of 8000");
}
