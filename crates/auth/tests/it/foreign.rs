//! Tokens and keys that others made: PyJWT, joserfc, jose and fast-jwt. And ours, which those four
//! have accepted: see `scripts/interop/run`.

use std::{collections::HashSet, fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_auth::{
    Algorithm, KeySet, Profile, TokenVerifier, VerifiedToken, VerifyErrorKind, VerifyingKey,
};
use hardpoint_core::ManualClock;
use serde::Deserialize;
use serde_json::{Value, json};

/// Each library, and how many tokens are of it: two for each algorithm that it knows. To joserfc and
/// jose `Ed25519` is one beside `EdDSA`.
const LIBRARIES: [(&str, usize); 5] =
    [("pyjwt", 24), ("joserfc", 26), ("jose", 26), ("fast-jwt", 24), (OURS, 24)];
const OURS: &str = "hardpoint";

#[derive(Deserialize)]
struct Corpus {
    issuer: String,
    audience: String,
    subject: String,
    jwks: Value,
    secrets: Vec<SharedSecret>,
    tokens: Vec<Token>,
    pems: Vec<Pem>,
}

#[derive(Deserialize)]
struct SharedSecret {
    kid: String,
    alg: String,
    k: String,
}

#[derive(Deserialize)]
struct Token {
    kid: String,
    alg: String,
    profile: String,
    token: String,
}

#[derive(Deserialize)]
struct Pem {
    kid: String,
    alg: String,
    public: String,
}

impl Corpus {
    fn read(library: &str) -> Self {
        let text = fs::read(format!("tests/interop/{library}.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// The keys that a token is verified with: the whole set of its library, or the one secret.
    fn keys(&self, token: &Token) -> KeySet {
        if let Some(secret) = self.secrets.iter().find(|secret| secret.kid == token.kid) {
            let bytes = URL_SAFE_NO_PAD.decode(&secret.k).unwrap();
            let key = VerifyingKey::symmetric(algorithm(&secret.alg), &bytes.into()).unwrap();
            return KeySet::new([key.named(&secret.kid).unwrap()]).unwrap();
        }
        let (keys, skipped) = KeySet::from_jwks(self.jwks.to_string().as_bytes()).unwrap();
        assert_eq!(skipped, []);
        keys
    }

    /// The key of a token in PEM. It does not say its name, nor, for RSA, its algorithm.
    fn pem(&self, token: &Token) -> Option<KeySet> {
        let pem = self.pems.iter().find(|pem| pem.kid == token.kid)?;
        let key = VerifyingKey::from_pem(&pem.public).unwrap();
        let key = key.for_algorithm(algorithm(&pem.alg)).unwrap().named(&pem.kid).unwrap();
        Some(KeySet::new([key]).unwrap())
    }

    /// What somebody who expects `audience` and `profile` says to `text`.
    fn verify(
        &self,
        keys: KeySet,
        audience: &str,
        profile: &str,
        text: &str,
    ) -> Result<VerifiedToken, VerifyErrorKind> {
        TokenVerifier::builder()
            .issuer(&self.issuer, keys)
            .audience(audience)
            .profile(match profile {
                "rfc9068" => Profile::rfc9068(),
                _ => Profile::plain(),
            })
            .time(in_2040())
            .build()
            .unwrap()
            .verify(text)
            .map_err(|error| error.kind())
    }
}

/// No token was issued later than this, or expires before 2100.
fn in_2040() -> ManualClock {
    ManualClock::at_unix(Duration::from_secs(2_208_988_800))
}

fn algorithm(name: &str) -> Algorithm {
    Algorithm::from_name(name).unwrap()
}

/// Calls `check` with each token and the keys that should accept it, in each form that they are in.
fn for_each(mut check: impl FnMut(&str, &Corpus, &Token, &KeySet)) {
    for (library, _) in LIBRARIES {
        let corpus = Corpus::read(library);
        for token in &corpus.tokens {
            let forms = [("set", Some(corpus.keys(token))), ("PEM", corpus.pem(token))];
            for (form, keys) in forms {
                let what = format!("{library}: {} as {}, {form}", token.kid, token.profile);
                if let Some(keys) = keys {
                    check(&what, &corpus, token, &keys);
                }
            }
        }
    }
}

#[test]
fn each_library_has_a_token_of_either_profile_for_every_algorithm() {
    for (library, count) in LIBRARIES {
        let corpus = Corpus::read(library);
        assert_eq!(corpus.tokens.len(), count, "{library}");
        let kinds: HashSet<_> =
            corpus.tokens.iter().map(|token| (&token.alg, &token.profile)).collect();
        assert_eq!(kinds.len(), count, "{library}");
        let public = corpus.jwks["keys"].as_array().unwrap().len();
        assert_eq!((public, corpus.secrets.len()), (count / 2 - 3, 3), "{library}");
        assert_eq!(corpus.pems.len(), public, "{library}");
    }
}

#[test]
fn every_token_is_accepted_with_the_key_of_the_set_and_with_that_of_the_pem() {
    let mut accepted = 0;
    for_each(|what, corpus, token, keys| {
        let answer = corpus.verify(keys.clone(), &corpus.audience, &token.profile, &token.token);
        let verified = answer.unwrap_or_else(|kind| panic!("{what}: {kind:?}"));
        assert_eq!(verified.key_id(), token.kid, "{what}");
        assert_eq!(verified.algorithm(), algorithm(&token.alg), "{what}");
        accepted += 1;
    });
    // Six tokens of each library are signed with secrets, which are in no PEM.
    let all: usize = LIBRARIES.into_iter().map(|(_, count)| count + count - 6).sum();
    assert_eq!(accepted, all);
}

#[test]
fn what_a_token_says_arrives_as_it_was_written() {
    for_each(|what, corpus, token, keys| {
        let answer = corpus.verify(keys.clone(), &corpus.audience, &token.profile, &token.token);
        let verified = answer.unwrap_or_else(|kind| panic!("{what}: {kind:?}"));
        let claims = verified.claims();
        assert_eq!(verified.subject(), corpus.subject, "{what}");
        let scopes: Vec<_> = verified.scopes().collect();
        if token.profile == "rfc9068" {
            assert_eq!(scopes, ["notes:read"], "{what}");
            assert_eq!(verified.client_id(), Some("app"), "{what}");
        } else {
            assert_eq!(scopes, [""; 0], "{what}");
            assert_eq!(claims.text("name"), Some("Ålice \u{1f980}"), "{what}");
            assert_eq!(claims.get("roles"), Some(json!(["admin"])), "{what}");
            let address = json!({ "city": "Zürich", "lines": [1, null, true] });
            assert_eq!(claims.get("address"), Some(address), "{what}");
        }
        if what.starts_with(OURS) {
            return;
        }
        // Ours has the time and the id that it was given when it was made.
        assert_eq!(verified.issued(), Some(Duration::from_secs(1_767_225_600)), "{what}");
        assert_eq!(verified.expiry(), Duration::from_secs(4_102_444_800), "{what}");
        let id = (token.profile == "rfc9068").then(|| format!("{}-1", token.kid));
        assert_eq!(verified.token_id(), id.as_deref(), "{what}");
    });
}

#[test]
fn a_signature_with_another_character_is_refused() {
    for_each(|what, corpus, token, keys| {
        let dot = token.token.rfind('.').unwrap();
        // The last character has bits that mean nothing, which is another reason to be refused.
        for place in [dot + 1, (dot + token.token.len()) / 2, token.token.len() - 2] {
            let mut forged = token.token.clone();
            let other = if forged[place..].starts_with('A') { "B" } else { "A" };
            forged.replace_range(place..=place, other);
            let answer = corpus.verify(keys.clone(), &corpus.audience, &token.profile, &forged);
            assert_eq!(answer.err(), Some(VerifyErrorKind::Signature), "{what}");
        }
    });
}

#[test]
fn a_token_for_another_audience_is_refused() {
    for_each(|what, corpus, token, keys| {
        for audience in ["somebody-else", "ap", "apis", "API"] {
            let answer = corpus.verify(keys.clone(), audience, &token.profile, &token.token);
            assert_eq!(answer.err(), Some(VerifyErrorKind::Audience), "{what}");
        }
    });
}

#[test]
fn a_token_of_the_other_profile_is_refused() {
    for_each(|what, corpus, token, keys| {
        let other = if token.profile == "plain" { "rfc9068" } else { "plain" };
        let answer = corpus.verify(keys.clone(), &corpus.audience, other, &token.token);
        assert_eq!(answer.err(), Some(VerifyErrorKind::Type), "{what}");
    });
}
