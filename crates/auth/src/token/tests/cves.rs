//! Faults that other libraries had. Those that `standards.rs` has a test for are not here again.
//! `docs/auth.md` lists both by their names: `scripts/lib/auth_table.py` writes that list.

use super::{
    attacks::{good, with_hmac, with_key},
    *,
};
use crate::{Algorithm, KeySetError, VerifyingKey, key::test_keys};

const CACHES: [TokenCache; 1] = [TokenCache::new()];

/// CVE-2026-107719: fast-jwt's cache took the end of a token from its `iat`, and kept one without
/// it beyond its expiry.
#[test]
fn cve_2026_107719_a_cached_token_without_iat_ends_in_time() {
    for cache in CACHES {
        let fixture = Fixture::new();
        let header = changed(fixture.header(), "typ", Value::Null).to_string();
        let claims = changed(fixture.claims(), "iat", Value::Null).to_string();
        let token = fixture.sign(&header, &claims);
        let cold = fixture.verifier.clone().profile(Profile::plain());
        let warm = cold.clone().cache(cache);
        assert!(warm.verify(&token).is_ok() && warm.verify(&token).is_ok());
        fixture.clock.advance(Duration::from_secs(629));
        assert!(cold.verify(&token).is_ok() && warm.verify(&token).is_ok());
        fixture.clock.advance(Duration::from_secs(1));
        for verifier in [&cold, &warm] {
            assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::Expired);
        }
    }
}

/// CVE-2026-107720, CVE-2026-44351: fast-jwt verified with an empty key, or not at all.
#[test]
fn cve_2026_107720_an_empty_key_is_no_key() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert!(VerifyingKey::symmetric(algorithm, &Vec::<u8>::new().into()).is_err());
        let jwk = json!({ "kty": "oct", "k": "", "alg": algorithm.as_str() }).to_string();
        assert!(SigningKey::from_jwk(jwk.as_bytes()).is_err());
    }
    for empty in ["", " ", "null", "{}", "\"\""] {
        assert!(
            VerifyingKey::from_pem(empty).is_err() && VerifyingKey::all_from_pem(empty).is_err()
        );
        assert!(VerifyingKey::from_jwk(empty.as_bytes()).is_err());
        assert!(VerifyingKey::from_der(empty.as_bytes()).is_err());
        assert!(KeySet::from_jwks(empty.as_bytes()).is_err());
    }
    assert_eq!(KeySet::new([]).unwrap_err(), KeySetError::Empty);
    let secret = test_keys::secret(32);
    let fixture = with_key(SigningKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap());
    let token = good(&fixture);
    assert!(fixture.verify(&token).is_ok());
    let (signed, _) = token.rsplit_once('.').unwrap();
    refused(fixture.verify(&format!("{signed}.")), VerifyErrorKind::Signature);
    // An empty secret and one of zeros make the same HMAC.
    let header = changed(fixture.header(), "alg", json!("HS256"));
    refused(fixture.verify(&with_hmac(&fixture, &header, &[0])), VerifyErrorKind::Signature);
}

/// CVE-2026-107721: fast-jwt let an infinite tolerance turn off `exp` and `nbf`, and its cache kept
/// what came in by it.
#[test]
fn cve_2026_107721_what_a_tolerance_let_in_goes_with_it() {
    for cache in CACHES {
        let fixture = Fixture::new();
        let token = good(&fixture);
        let lax = fixture.verifier.clone().cache(cache).leeway(Duration::MAX);
        let lax = lax.max_age(Duration::MAX);
        fixture.clock.advance(Duration::from_secs(630));
        assert!(lax.verify(&token).is_ok() && lax.verify(&token).is_ok(), "nothing overflows");
        let strict = lax.clone().leeway(Duration::from_secs(30));
        assert_eq!(strict.verify(&token).unwrap_err().kind(), VerifyErrorKind::Expired);
        assert!(lax.verify(&token).is_ok(), "it is as it was");
    }
}

/// CVE-2026-107722, CVE-2023-48223: fast-jwt took a public key for a secret if anything stood
/// before its PEM.
#[test]
fn cve_2026_107722_what_stands_before_a_pem_makes_no_secret_of_it() {
    let fixture = with_key(SigningKey::from_pem(&test_keys::rsa_pem()).unwrap());
    let pem = fixture.key.verifying_key().to_pem().unwrap();
    let header = changed(fixture.header(), "alg", json!("HS256"));
    for before in [
        "",
        "\n",
        " ",
        "\t\t",
        "# key\n",
        ".",
        "\0",
        "\u{1b}",
        "\u{feff}",
        "\u{200b}",
        "a: b\r\n\r\n",
    ] {
        let text = format!("{before}{pem}");
        let key = VerifyingKey::from_pem(&text).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Rs256, "{before:?}");
        let keys = KeySet::new([key]).unwrap();
        let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
        assert!(verifier.verify(&good(&fixture)).is_ok(), "{before:?}");
        let forged = verifier.verify(&with_hmac(&fixture, &header, text.as_bytes()));
        assert_eq!(forged.unwrap_err().kind(), VerifyErrorKind::Algorithm, "{before:?}");
    }
}

/// CVE-2026-107723: fast-jwt looked for no claim in a payload that was a list, and so missed none.
#[test]
fn cve_2026_107723_a_payload_that_is_a_list_is_refused() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let (header, claims) = (fixture.header().to_string(), fixture.claims().to_string());
    for payload in [
        format!("[{claims}]"),
        format!("[{claims},{claims}]"),
        format!("[[{claims}]]"),
        format!("{claims}{claims}"),
        format!("{claims},"),
        json!(claims).to_string(),
        json!(["iss", "aud", "sub", "exp"]).to_string(),
        json!([["iss", ISSUER], ["aud", AUDIENCE]]).to_string(),
        "[]".to_owned(),
        "1".to_owned(),
        "true".to_owned(),
    ] {
        for profile in [Profile::rfc9068(), Profile::typed("at+jwt")] {
            let verifier = fixture.verifier.clone().profile(profile);
            let answer = verifier.verify(&fixture.sign(&header, &payload));
            assert_eq!(answer.unwrap_err().kind(), VerifyErrorKind::Claims, "{payload}");
        }
    }
}

/// CVE-2026-107724: fast-jwt took the text of a public JWK, which is no PEM, for a secret.
#[test]
fn cve_2026_107724_the_text_of_a_key_set_is_no_secret() {
    let fixture = with_key(SigningKey::from_pem(&test_keys::rsa_pem()).unwrap());
    let jwk = fixture.key.verifying_key().to_jwk();
    let set = json!({ "keys": [jwk] });
    let header = changed(fixture.header(), "alg", json!("HS256"));
    let (keys, skipped) = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
    assert_eq!(skipped, []);
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    assert!(verifier.verify(&good(&fixture)).is_ok());
    let pretty = serde_json::to_string_pretty(&jwk).unwrap();
    for text in [jwk.to_string(), pretty, set.to_string(), set["keys"].to_string()] {
        assert!(SigningKey::from_jwk(text.as_bytes()).is_err());
        let forged = verifier.verify(&with_hmac(&fixture, &header, text.as_bytes()));
        assert_eq!(forged.unwrap_err().kind(), VerifyErrorKind::Algorithm, "{text}");
    }
}

/// CVE-2026-101918: PyJWT read a payload before its signature, and failed in an unexpected way if
/// it was nested deeply.
#[test]
fn cve_2026_101918_deep_nesting_is_refused_and_not_read_before_the_signature() {
    let (fixture, mallory) = (Fixture::new(), Fixture::new());
    let header = fixture.header().to_string();
    let deep = |object: &str, depth: usize| {
        let member = format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth));
        object.replacen('{', &member, 1)
    };
    let claims = fixture.claims().to_string();
    assert!(fixture.verify(&fixture.sign(&deep(&header, 100), &deep(&claims, 100))).is_ok());
    for depth in [128, 200, 2_000] {
        let claims = deep(&claims, depth);
        refused(fixture.verify(&mallory.sign(&header, &claims)), VerifyErrorKind::Signature);
        refused(fixture.verify(&fixture.sign(&header, &claims)), VerifyErrorKind::Claims);
    }
    for depth in [128, 300] {
        let header = deep(&header, depth);
        refused(fixture.verify(&fixture.sign(&header, &claims)), VerifyErrorKind::Header);
    }
}

/// CVE-2026-35030, CVE-2026-35039: LiteLLM's cache knew tokens by their first 20 characters, and
/// fast-jwt's by a function of the user; one user was taken for another.
#[test]
fn cve_2026_35030_tokens_that_begin_alike_are_not_mixed_up() {
    let fixture = Fixture::new();
    let tokens: Vec<_> = (0..20)
        .map(|index| {
            let subject = format!("user-{index}");
            let claims = changed(fixture.claims(), "sub", json!(subject)).to_string();
            (subject, fixture.sign(&fixture.header().to_string(), &claims))
        })
        .collect();
    assert!(tokens.iter().all(|(_, token)| token[..200] == tokens[0].1[..200]));
    for cache in CACHES {
        // All of them fall into one bucket, and push one another out of it.
        let verifier = fixture.verifier.clone().cache(cache.entries(1));
        for round in 0..3 {
            for (subject, token) in &tokens {
                for _ in 0..=round {
                    assert_eq!(verifier.verify(token).unwrap().subject(), subject);
                }
            }
        }
    }
}

/// CVE-2026-35041, CVE-2026-35040: fast-jwt took patterns for what it expected; slow ones held it
/// up, and those with a state answered differently each time.
#[test]
fn cve_2026_35041_what_is_expected_is_a_text_and_no_pattern() {
    const PATTERN: &str = "^https://id.example/(a+)+$";

    let fixture = Fixture::new();
    let keys = KeySet::new([fixture.key.verifying_key()]).unwrap();
    let verifier = TokenVerifier::new(keys, PATTERN, ".*").with_clock(fixture.clock.clone());
    let with = |issuer: &str, audience: &str| {
        let claims = changed(fixture.claims(), "iss", json!(issuer));
        let claims = changed(claims, "aud", json!(audience)).to_string();
        let token = fixture.sign(&fixture.header().to_string(), &claims);
        verifier.verify(&token).map_err(|error| error.kind())
    };
    let long = format!("https://id.example/{}!", "a".repeat(4_000));
    for _ in 0..3 {
        assert!(with(PATTERN, ".*").is_ok());
        for issuer in ["https://id.example/a", ISSUER, &long] {
            refused(with(issuer, ".*"), VerifyErrorKind::Issuer);
        }
        refused(with(PATTERN, AUDIENCE), VerifyErrorKind::Audience);
    }
}
