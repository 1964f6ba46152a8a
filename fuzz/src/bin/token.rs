//! Any bytes as a token: accepted is what was signed, byte for byte, and nothing else. It makes no
//! difference whether a verifier is new, has seen the header before, or keeps the token itself.
//!
//! Without keys of ECDSA, of whose signatures anybody makes a second one.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::sync::LazyLock;

use hardpoint_auth::{KeySet, Profile, TokenCache, TokenVerifier, VerifyingKey};
use hardpoint_core::{Clock, ManualClock};
use serde_json::Value;

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut is_any = false;
    for known in &*KNOWN {
        let is_known = known.tokens.iter().any(|token| token == text);
        is_any |= is_known;
        let answer = known.verifier(None).verify(text).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(answer.is_ok(), is_known, "{answer:?}");
        for warm in &known.warm {
            assert_eq!(warm.verify(text).map(|_| ()).map_err(|error| error.kind()), answer);
        }
    }
    assert_eq!(keys().verify_jws(text, ManualClock::default().unix()).is_ok(), is_any);
}

/// The tokens of a profile, and verifiers that have seen them.
struct Known {
    profile: Profile,
    tokens: Vec<String>,
    warm: Vec<TokenVerifier>,
}

static JOSE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../crates/auth/tests/interop/jose.json");
    serde_json::from_str(text).expect("the fixture is JSON")
});

static KEYS: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
    let given = JOSE["jwks"]["keys"].as_array().expect("a list of keys");
    let keys = given.iter().filter(|jwk| jwk["kty"] != "EC");
    let read = |jwk: &Value| VerifyingKey::from_jwk(jwk.to_string().as_bytes());
    keys.map(|jwk| read(jwk).expect("the fixture is a key")).collect()
});

static KNOWN: LazyLock<[Known; 2]> =
    LazyLock::new(|| [("rfc9068", Profile::rfc9068()), ("plain", Profile::plain())].map(Known::of));

fn keys() -> KeySet {
    KeySet::new(KEYS.iter().cloned()).expect("different keys")
}

impl Known {
    fn of((name, profile): (&str, Profile)) -> Self {
        let tokens = JOSE["tokens"].as_array().expect("a list of tokens").iter();
        let ours = tokens.filter(|token| {
            token["profile"] == name && KEYS.iter().any(|key| token["kid"] == key.key_id())
        });
        let text = |token: &Value| token["token"].as_str().expect("a token").to_owned();
        let mut known = Self { profile, tokens: ours.map(text).collect(), warm: Vec::new() };
        known.warm =
            vec![known.verifier(None), known.verifier(Some(TokenCache::new().entries(64)))];
        for (warm, token) in
            known.warm.iter().flat_map(|warm| known.tokens.iter().map(move |token| (warm, token)))
        {
            assert!(warm.verify(token).is_ok(), "the fixture is valid");
        }
        assert_eq!(known.tokens.len(), KEYS.len());
        known
    }

    fn verifier(&self, cache: Option<TokenCache>) -> TokenVerifier {
        let builder = TokenVerifier::builder().issuer("https://issuer.example", keys());
        let builder = builder.audience("api").time(ManualClock::default());
        let builder = builder.profile(self.profile.clone());
        let builder = cache.into_iter().fold(builder, |builder, cache| builder.cache(cache));
        builder.build().expect("an issuer and an audience")
    }
}
