//! What came with caches, revocation, profiles and further algorithms.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::*;
use crate::{Algorithm, VerifyingKey};

/// A revocation that says what it is told to.
#[derive(Default)]
struct Told(AtomicU8);

impl Revocation for Told {
    fn state(&self, token: &VerifiedToken) -> RevocationState {
        assert_eq!(token.subject(), "alice");
        match self.0.load(Ordering::SeqCst) {
            0 => RevocationState::Live,
            1 => RevocationState::Revoked,
            _ => RevocationState::Unknown,
        }
    }
}

#[test]
fn revocation_is_asked_each_time_cached_or_not() {
    for cache in [None, Some(TokenCache::new())] {
        let fixture = Fixture::new();
        let told = Arc::new(Told::default());
        let mut verifier =
            fixture.verifier.clone().revocation(Arc::clone(&told) as Arc<dyn Revocation>);
        if let Some(cache) = cache {
            verifier = verifier.cache(cache);
        }
        let token = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
        assert!(verifier.verify(&token).is_ok());
        told.0.store(1, Ordering::SeqCst);
        assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::Revoked);
        told.0.store(2, Ordering::SeqCst);
        assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::RevocationUnknown);
        told.0.store(0, Ordering::SeqCst);
        assert!(verifier.verify(&token).is_ok());
    }
}

#[test]
fn a_cached_token_expires_like_any_other() {
    let fixture = Fixture::new();
    let verifier = fixture.verifier.clone().cache(TokenCache::new());
    let token = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    assert!(verifier.verify(&token).is_ok() && verifier.verify(&token).is_ok());
    fixture.clock.advance(Duration::from_secs(629));
    assert!(verifier.verify(&token).is_ok());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::Expired);
    // A calendar that is set back makes it no younger than its issuer says.
    fixture.clock.step_unix(Duration::from_secs(1_799_999_000));
    assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::NotYetValid);
}

#[test]
fn a_token_may_be_issued_no_longer_ago_than_max_age() {
    let fixture = Fixture::new();
    let strict = fixture.verifier.clone().max_age(Duration::from_secs(60));
    let token = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    fixture.clock.advance(Duration::from_secs(90));
    assert!(strict.verify(&token).is_ok(), "60 s, and 30 s of leeway");
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(strict.verify(&token).unwrap_err().kind(), VerifyErrorKind::TooOld);
    assert!(fixture.verifier.verify(&token).is_ok());
    let without = changed(fixture.claims(), "iat", Value::Null).to_string();
    let header = changed(fixture.header(), "typ", Value::Null).to_string();
    let token = fixture.sign(&header, &without);
    let plain = fixture.verifier.profile(Profile::plain());
    assert!(plain.verify(&token).is_ok());
    let plain = plain.max_age(Duration::from_secs(60));
    assert_eq!(plain.verify(&token).unwrap_err().kind(), VerifyErrorKind::Claims);
}

#[test]
fn profiles_exclude_one_another() {
    let fixture = Fixture::new();
    let profiles = [
        ("at+jwt", Profile::rfc9068()),
        ("JWT", Profile::plain()),
        ("secevent+jwt", Profile::typed("secevent+jwt")),
    ];
    for (kind, _) in &profiles {
        for given in [(*kind).to_owned(), format!("application/{kind}"), kind.to_uppercase()] {
            let header = changed(fixture.header(), "typ", json!(given)).to_string();
            let token = fixture.sign(&header, &fixture.claims().to_string());
            for (expected, profile) in &profiles {
                let verifier = fixture.verifier.clone().profile(profile.clone());
                assert_eq!(verifier.verify(&token).is_ok(), kind == expected, "{given} {expected}");
            }
        }
    }
    let header = changed(fixture.header(), "typ", Value::Null).to_string();
    let short = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": u64::MAX });
    let token = fixture.sign(&header, &short.to_string());
    let plain = fixture.verifier.clone().profile(Profile::plain());
    assert!(plain.verify(&token).is_ok(), "a plain token needs no more");
    for name in ["sub", "exp", "iss", "aud"] {
        let token = fixture.sign(&header, &changed(short.clone(), name, Value::Null).to_string());
        assert!(plain.verify(&token).is_err(), "{name}");
    }
    for (name, value) in [("jti", json!(1)), ("client_id", json!([])), ("nbf", json!("1"))] {
        let token = fixture.sign(&header, &changed(short.clone(), name, value).to_string());
        assert_eq!(plain.verify(&token).unwrap_err().kind(), VerifyErrorKind::Claims);
    }
}

#[test]
fn claims_with_escapes_are_read_as_they_are_meant() {
    let fixture = Fixture::new();
    let claims = fixture.claims().to_string().replace("alice", r"al\u0069ce \u00e9");
    let claims = claims.replace("notes:read", r"notes:re\u0061d");
    let token = fixture.sign(&fixture.header().to_string(), &claims);
    let verified = fixture.verify(&token).unwrap();
    assert_eq!((verified.subject(), verified.token_id()), ("alice \u{e9}", Some("1")));
    assert_eq!(verified.scopes().collect::<Vec<_>>(), ["notes:read"]);
    assert_eq!(verified.claims().text("sub"), Some("alice \u{e9}"));
    assert!(verified.allows(&"notes:read".parse().unwrap()));
}

#[test]
fn claims_are_read_as_a_type_of_the_users() {
    #[derive(serde::Deserialize)]
    struct Mine {
        tenant: String,
        level: u8,
    }

    let fixture = Fixture::new();
    let claims = changed(fixture.claims(), "tenant", json!("acme"));
    let with = |level: Value| {
        let claims = changed(claims.clone(), "level", level).to_string();
        fixture.sign(&fixture.header().to_string(), &claims)
    };
    let (verified, mine) = fixture.verifier.verify_as::<Mine>(&with(json!(3))).unwrap();
    assert_eq!((verified.subject(), mine.tenant.as_str(), mine.level), ("alice", "acme", 3));
    let wrong = fixture.verifier.verify_as::<Mine>(&with(json!("x"))).map(|_| ()).unwrap_err();
    assert_eq!(wrong.kind(), VerifyErrorKind::Claims);
}

#[test]
fn a_header_that_was_seen_before_is_no_way_around_any_check() {
    let fixture = Fixture::new();
    let header = fixture.header().to_string();
    let good = fixture.sign(&header, &fixture.claims().to_string());
    assert!(fixture.verify(&good).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let first = signed.split_once('.').unwrap().0;
    refused(fixture.verify(&format!("{first}.e30.{signature}")), VerifyErrorKind::Signature);
    refused(fixture.verify(&format!("{first}.!.{signature}")), VerifyErrorKind::Malformed);
    refused(fixture.verify(&format!("{signed}.")), VerifyErrorKind::Signature);
    refused(fixture.verify(&format!("{signed}.{signature}.")), VerifyErrorKind::Malformed);
    // One that was not accepted as a token is remembered by its bytes alone, with its type.
    let other = Fixture::new();
    let id_token = changed(other.header(), "typ", json!("JWT")).to_string();
    let token = other.sign(&id_token, &other.claims().to_string());
    refused(other.verify(&token), VerifyErrorKind::Type);
    refused(other.verify(&token), VerifyErrorKind::Type);
}

#[test]
fn every_algorithm_is_accepted_by_its_key_and_by_no_other() {
    let rsa = crate::key::test_keys::rsa_pem();
    let secret = crate::key::test_keys::secret(64);
    let key = |name: &str| {
        let algorithm = Algorithm::from_name(name).unwrap();
        match &name[..2] {
            "HS" => SigningKey::symmetric(algorithm, &secret.clone().into()).unwrap(),
            "RS" | "PS" => SigningKey::from_pem(&rsa).unwrap().for_algorithm(algorithm).unwrap(),
            _ => SigningKey::from_pem(&crate::key::test_keys::pem_for(algorithm)).unwrap(),
        }
    };
    let names = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
        "HS384", "HS512",
    ];
    let clock = ManualClock::default();
    for own in names {
        let key = key(own);
        let verifying = key.verifying_key().named("k").unwrap();
        let verifier = |key: VerifyingKey| {
            let keys = KeySet::new([key]).unwrap();
            TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(clock.clone())
        };
        let issuer = TokenIssuer::new(key.named("k").unwrap(), ISSUER, AUDIENCE);
        let issuer = issuer.with_clock(clock.clone());
        let token = issuer.issue("alice", "").unwrap();
        assert!(verifier(verifying.clone()).verify(token.expose()).is_ok(), "{own}");
        for other in names.map(|name| Algorithm::from_name(name).unwrap()) {
            let Ok(converted) = verifying.for_algorithm(other) else { continue };
            let converted = converted.named("k").unwrap();
            let answer = verifier(converted).verify(token.expose()).map_err(|error| error.kind());
            let expected = other.as_str() == own;
            assert_eq!(answer.is_ok(), expected, "{own} {other:?}");
            assert!(expected || answer.unwrap_err() == VerifyErrorKind::Algorithm);
        }
    }
}

#[test]
fn an_issuer_takes_no_claim_that_is_its_own() {
    let fixture = Fixture::new();
    let issuer = TokenIssuer::new(SigningKey::generate().unwrap(), ISSUER, AUDIENCE);
    let issue = |subject: &str, claims: &[(&str, Value)]| {
        let claims = claims.iter().map(|(name, value)| (*name, value.clone()));
        issuer.issue_with(subject, "", claims)
    };
    assert_eq!(issue("", &[]).unwrap_err(), IssueError::Subject);
    for name in ["iss", "aud", "sub", "scope", "iat", "exp", "nbf", "jti"] {
        assert_eq!(issue("alice", &[(name, json!("x"))]).unwrap_err(), IssueError::Claims);
    }
    let twice = [("sid", json!("1")), ("sid", json!("2"))];
    assert_eq!(issue("alice", &twice).unwrap_err(), IssueError::Claims);
    for bad in [json!(""), json!(1)] {
        assert_eq!(issue("alice", &[("client_id", bad)]).unwrap_err(), IssueError::Claims);
    }
    let long = [("x", json!("a".repeat(8_000)))];
    assert_eq!(issue("alice", &long).unwrap_err(), IssueError::TooLong);
    assert!(issue("alice", &[("x", json!("a".repeat(5_000)))]).is_ok());
    drop(fixture);
}

#[test]
fn an_issuers_tokens_are_of_its_profile_alone() {
    let profiles = [Profile::rfc9068(), Profile::plain(), Profile::typed("secevent+jwt")];
    let key = Arc::new(SigningKey::generate().unwrap());
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    for own in &profiles {
        let issuer = TokenIssuer::new(Arc::clone(&key), ISSUER, AUDIENCE).profile(own.clone());
        let issuer = issuer.with_clock(ManualClock::default());
        let token = issuer.issue("alice", "").unwrap();
        for expected in &profiles {
            let verifier = TokenVerifier::new(keys.clone(), ISSUER, AUDIENCE)
                .profile(expected.clone())
                .with_clock(ManualClock::default());
            let answer = verifier.verify(token.expose()).map_err(|error| error.kind());
            if own == expected {
                // Access tokens alone have to name a client (RFC 9068 §2.2).
                let client = (*own == Profile::rfc9068()).then_some(AUDIENCE);
                assert_eq!(answer.unwrap().client_id(), client);
            } else {
                refused(answer, VerifyErrorKind::Type);
            }
        }
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused_even_where_nobody_looks() {
    let fixture = Fixture::new();
    let sign = |header: &[u8], claims: &[u8]| {
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = fixture.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(&signature))
    };
    let (header, claims) = (fixture.header().to_string(), fixture.claims().to_string());
    let spoilt = |text: &str| {
        let mut bytes = text.replace('}', r#","x":"?"}"#).into_bytes();
        let place = bytes.iter().rposition(|byte| *byte == b'?').unwrap();
        bytes[place] = 0x80;
        bytes
    };
    refused(fixture.verify(&sign(&spoilt(&header), claims.as_bytes())), VerifyErrorKind::Header);
    refused(fixture.verify(&sign(header.as_bytes(), &spoilt(&claims))), VerifyErrorKind::Claims);
    for bad in [r#""\ud800""#, "1e400", &"[".repeat(200), r#""\x""#] {
        let claims = claims.replace('}', &format!(",\"x\":{bad}}}"));
        refused(
            fixture.verify(&sign(header.as_bytes(), claims.as_bytes())),
            VerifyErrorKind::Claims,
        );
    }
}

#[test]
fn a_log_in_that_is_ahead_is_not_fresh_but_refused() {
    let fixture = Fixture::new();
    let now = fixture.clock.unix().as_secs();
    assert!(fixture.with_claim("auth_time", json!(now + 30)).is_ok());
    refused(fixture.with_claim("auth_time", json!(now + 31)), VerifyErrorKind::NotYetValid);
    // Milliseconds in place of seconds.
    refused(fixture.with_claim("auth_time", json!(now * 1000)), VerifyErrorKind::NotYetValid);
}

#[test]
fn a_member_that_stands_twice_further_in_is_refused_too() {
    let fixture = Fixture::new();
    let with = |claim: &str| {
        let claims = fixture.claims().to_string();
        let claims = format!("{},{claim}}}", claims.strip_suffix('}').unwrap());
        fixture.verify(&fixture.sign(&fixture.header().to_string(), &claims))
    };
    let (user, admin) = (r#""roles":["user"]"#, r#""roles":["admin"]"#);
    assert!(with(&format!(r#""realm_access":{{{user}}},"other":{{{admin}}}"#)).is_ok());
    for twice in [
        format!(r#""realm_access":{{{user},{admin}}}"#),
        format!(r#""realm_access":{{{user},"\u0072oles":["admin"]}}"#),
        format!(r#""a":[{{"b":{{{user},{admin}}}}}]"#),
    ] {
        refused(with(&twice), VerifyErrorKind::Claims);
    }
}

#[test]
fn an_issuer_mints_nothing_that_its_verifier_refuses() {
    let fixture = Fixture::new();
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::new(key, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(fixture.clock);
    let many: Vec<String> = (0..300).map(|index| format!("x{index}")).collect();
    let deep = (0..130).fold(json!(1), |value, _| json!([value]));
    for (good, claims) in [
        (true, vec![("sid", json!("s")), ("auth_time", json!(1)), ("x", json!({ "y": [1] }))]),
        (false, vec![("sid", json!(1))]),
        (false, vec![("auth_time", json!("x"))]),
        (false, vec![("auth_time", json!(-1))]),
        (false, vec![("auth_time", json!(1_800_000_000_000_u64))]),
        (false, vec![("x", deep)]),
        (false, many.iter().map(|name| (name.as_str(), json!(1))).collect()),
    ] {
        let minted = issuer.issue_with("alice", "", claims);
        match minted {
            Ok(token) => assert!(good && verifier.verify(token.expose()).is_ok()),
            Err(error) => assert!(!good && error == IssueError::Claims),
        }
    }
}
