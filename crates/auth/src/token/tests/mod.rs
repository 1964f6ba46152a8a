//! Every way in which a token may lie.

mod attacks;
mod builder;
mod cves;
mod fixture;
mod interop;
mod parsing;
mod providers;
mod rfc7520;
mod rules;
mod settings;
mod standards;
mod vectors;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::{Clock, ManualClock};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::fixture::*;
use super::*;
use crate::{KeySet, SigningKey};

#[test]
fn what_an_issuer_mints_its_verifier_accepts() {
    let fixture = Fixture::new();
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([fixture.key.verifying_key(), key.verifying_key()]).unwrap();
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let issuer = TokenIssuer::new(key, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let claims = [("sid", json!("s-1")), ("client_id", json!("web"))];
    let token = issuer.issue_with("alice", "notes:read notes:write", claims).unwrap();
    let verified = verifier.verify(token.expose()).unwrap();
    assert_eq!(verified.subject(), "alice");
    assert_eq!(verified.scopes().collect::<Vec<_>>(), ["notes:read", "notes:write"]);
    assert_eq!(verified.claims().text("sid"), Some("s-1"));
    assert_eq!((verified.session_id(), verified.client_id()), (Some("s-1"), Some("web")));
    assert_eq!(verified.expiry(), fixture.clock.unix() + Duration::from_secs(900));
    // A verifier that does not know the key has no way to believe it.
    refused(fixture.verify(token.expose()), VerifyErrorKind::KeyId);
}

#[test]
fn no_other_algorithm_than_the_keys_is_believed() {
    let fixture = Fixture::new();
    for name in [
        "none", "None", "NONE", "nOnE", "HS256", "RS256", "ES256", "PS256", "eddsa", "EDDSA",
        "ED25519", "Ed448", "", " EdDSA", "EdDSA\0",
    ] {
        refused(fixture.with_header("alg", json!(name)), VerifyErrorKind::Algorithm);
    }
    assert!(fixture.with_header("alg", json!("Ed25519")).is_ok());
    for value in [json!(null), json!(1), json!(["EdDSA"]), json!({}), json!(true)] {
        let header = fixture.header().to_string().replace("\"EdDSA\"", &value.to_string());
        let token = fixture.sign(&header, &fixture.claims().to_string());
        refused(fixture.verify(&token), VerifyErrorKind::Header);
    }
    refused(fixture.with_header("alg", Value::Null), VerifyErrorKind::Header);
}

#[test]
fn an_unsigned_or_resigned_token_is_refused() {
    let fixture = Fixture::new();
    let good = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    assert!(fixture.verify(&good).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    refused(fixture.verify(&format!("{signed}.")), VerifyErrorKind::Signature);
    refused(
        fixture.verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        VerifyErrorKind::Signature,
    );
    refused(fixture.verify(&format!("{signed}.{signature}AAAA")), VerifyErrorKind::Signature);
    let mallory = Fixture::new();
    let forged = mallory.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    refused(fixture.verify(&forged), VerifyErrorKind::Signature);
    // The public key as the secret of an HMAC: there is no such code to reach.
    let header =
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": fixture.key.key_id() }).to_string();
    refused(fixture.verify(&fixture.sign(&header, "{}")), VerifyErrorKind::Algorithm);
}

#[test]
fn a_text_that_is_no_token_is_refused() {
    let fixture = Fixture::new();
    let good = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    for bad in ["", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "\u{0}.\u{0}.\u{0}", "é.é.é"]
    {
        assert!(fixture.verify(bad).is_err(), "{bad:?}");
    }
    for bad in [
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}.x"),
        format!("{good}.{good}"),
        good.replace('.', ". "),
        good.replacen('.', "..", 1),
    ] {
        refused(fixture.verify(&bad), VerifyErrorKind::Malformed);
    }
    // The last character of 64 bytes carries four bits that mean nothing: they must be zero.
    let flipped = match good.pop_last() {
        (start, 'A') => format!("{start}B"),
        (start, 'Q') => format!("{start}R"),
        (start, 'g') => format!("{start}h"),
        (start, _) => format!("{start}x"),
    };
    refused(fixture.verify(&flipped), VerifyErrorKind::Malformed);
}

trait PopLast {
    fn pop_last(&self) -> (&str, char);
}

impl PopLast for String {
    fn pop_last(&self) -> (&str, char) {
        let last = self.chars().last().unwrap();
        (&self[..self.len() - 1], last)
    }
}

#[test]
fn what_is_too_long_is_not_even_decoded() {
    let fixture = Fixture::new();
    refused(fixture.verify(&"a".repeat(1_000_000)), VerifyErrorKind::TooLong);
    refused(fixture.verify(&".".repeat(1_000_000)), VerifyErrorKind::TooLong);
    refused(fixture.with_header("x", json!("a".repeat(2_000))), VerifyErrorKind::TooLong);
    refused(fixture.with_claim("x", json!("a".repeat(8_000))), VerifyErrorKind::TooLong);
}

#[test]
fn extensions_that_are_critical_are_refused() {
    let fixture = Fixture::new();
    for crit in [json!(["b64"]), json!(["exp"]), json!(["x"]), json!([]), json!("x"), json!(1)] {
        refused(fixture.with_header("crit", crit), VerifyErrorKind::CriticalHeader);
    }
    refused(fixture.with_header("b64", json!(false)), VerifyErrorKind::CriticalHeader);
    refused(fixture.with_header("b64", json!(true)), VerifyErrorKind::CriticalHeader);
}

#[test]
fn keys_and_links_in_the_header_are_not_looked_at() {
    let fixture = Fixture::new();
    let mallory = Fixture::new();
    let mut header = fixture.header();
    header["jwk"] = mallory.key.verifying_key().to_jwk();
    header["jku"] = json!("http://127.0.0.1:1/jwks.json");
    header["x5u"] = json!("http://127.0.0.1:1/");
    let forged = mallory.sign(&header.to_string(), &fixture.claims().to_string());
    refused(fixture.verify(&forged), VerifyErrorKind::Signature);
}

#[test]
fn a_key_id_is_looked_up_and_nothing_else() {
    let fixture = Fixture::new();
    for id in ["", "../../dev/null", "' OR 1=1 --", "\0", &"a".repeat(300)] {
        refused(fixture.with_header("kid", json!(id)), VerifyErrorKind::KeyId);
    }
    refused(fixture.with_header("kid", json!(7)), VerifyErrorKind::Header);
    // Without an id a set of one key leaves no choice, and a set of two is not guessed from.
    assert!(fixture.with_header("kid", Value::Null).is_ok());
    let other = SigningKey::generate().unwrap();
    let keys = KeySet::new([fixture.key.verifying_key(), other.verifying_key()]).unwrap();
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let header = changed(fixture.header(), "kid", Value::Null).to_string();
    let token = fixture.sign(&header, &fixture.claims().to_string());
    assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::KeyId);
}

#[test]
fn a_token_of_another_kind_is_refused() {
    let fixture = Fixture::new();
    for kind in ["JWT", "jwt", "dpop+jwt", "logout+jwt", "at+jwt ", "at", "application/jwt", ""] {
        refused(fixture.with_header("typ", json!(kind)), VerifyErrorKind::Type);
    }
    refused(fixture.with_header("typ", Value::Null), VerifyErrorKind::Type);
    assert!(fixture.with_header("typ", json!("application/at+jwt")).is_ok());
    assert!(fixture.with_header("typ", json!("AT+JWT")).is_ok());
}

#[test]
fn members_that_stand_there_twice_are_refused() {
    let fixture = Fixture::new();
    let claims = fixture.claims().to_string();
    for twice in
        [r#","alg":"EdDSA"}"#, r#","\u0061lg":"EdDSA"}"#, r#","kid":"x"}"#, r#","x":1,"x":2}"#]
    {
        let header = fixture.header().to_string().replace('}', twice);
        refused(fixture.verify(&fixture.sign(&header, &claims)), VerifyErrorKind::Header);
    }
    for twice in [
        r#","sub":"mallory"}"#,
        r#","s\u0075b":"mallory"}"#,
        r#","exp":99999999999}"#,
        r#","x":1,"x":1}"#,
    ] {
        let claims = claims.replace('}', twice);
        let token = fixture.sign(&fixture.header().to_string(), &claims);
        refused(fixture.verify(&token), VerifyErrorKind::Claims);
    }
}

#[test]
fn header_and_claims_are_objects_and_nothing_follows_them() {
    let fixture = Fixture::new();
    for bad in ["", "[]", "\"alg\"", "null", "{", "{}x", "\u{feff}{}"] {
        let token = fixture.sign(bad, &fixture.claims().to_string());
        refused(fixture.verify(&token), VerifyErrorKind::Header);
        let token = fixture.sign(&fixture.header().to_string(), bad);
        refused(fixture.verify(&token), VerifyErrorKind::Claims);
    }
    let deep = format!("{{\"x\":{}", "[".repeat(5_000));
    let token = fixture.sign(&fixture.header().to_string(), &deep);
    refused(fixture.verify(&token), VerifyErrorKind::Claims);
}

#[test]
fn issuer_and_audience_must_be_there_and_be_ours() {
    let fixture = Fixture::new();
    for issuer in [
        Value::Null,
        json!(123),
        json!([ISSUER]),
        json!({}),
        json!("https://id.example/"),
        json!("https://ID.example"),
        json!(""),
        json!(true),
    ] {
        refused(fixture.with_claim("iss", issuer), VerifyErrorKind::Issuer);
    }
    for audience in [
        Value::Null,
        json!(123),
        json!("other"),
        json!([]),
        json!(["other"]),
        json!({}),
        json!(["api", 1]),
        json!([["api"]]),
        json!("api "),
        json!(""),
    ] {
        refused(fixture.with_claim("aud", audience), VerifyErrorKind::Audience);
    }
    assert!(fixture.with_claim("aud", json!(["other", "api"])).is_ok());
}

#[test]
fn claims_of_the_profile_must_be_there_and_of_their_type() {
    let fixture = Fixture::new();
    for name in ["sub", "client_id", "jti"] {
        for value in [Value::Null, json!(1), json!([]), json!({}), json!(""), json!(true)] {
            refused(fixture.with_claim(name, value), VerifyErrorKind::Claims);
        }
    }
    for value in [json!(1), json!(["notes:read"]), json!("a\"b")] {
        refused(fixture.with_claim("scope", value), VerifyErrorKind::Claims);
    }
    assert_eq!(fixture.with_claim("scope", Value::Null).unwrap().scopes().count(), 0);
}

#[test]
fn times_are_numbers_from_zero_on() {
    let fixture = Fixture::new();
    for name in ["exp", "iat", "nbf"] {
        for bad in [r#""1800000600""#, "-1", "-0.5", "true", "[]", "{}", "null", "1e16"] {
            let claims = changed(fixture.claims(), name, json!(0)).to_string();
            let claims = claims.replace(&format!("\"{name}\":0"), &format!("\"{name}\":{bad}"));
            let token = fixture.sign(&fixture.header().to_string(), &claims);
            refused(fixture.verify(&token), VerifyErrorKind::Claims);
        }
    }
    for name in ["exp", "iat"] {
        refused(fixture.with_claim(name, Value::Null), VerifyErrorKind::Claims);
    }
    let huge = fixture.claims().to_string().replace("1800000600", "1e400");
    let token = fixture.sign(&fixture.header().to_string(), &huge);
    refused(fixture.verify(&token), VerifyErrorKind::Claims);
    assert!(fixture.with_claim("exp", json!(u64::MAX)).is_ok(), "checked arithmetic");
}

#[test]
fn a_token_is_valid_from_its_beginning_to_its_end_and_the_leeway_around() {
    let fixture = Fixture::new();
    let now = fixture.clock.unix().as_secs();
    assert!(fixture.with_claim("exp", json!(now - 29)).is_ok());
    refused(fixture.with_claim("exp", json!(now - 30)), VerifyErrorKind::Expired);
    // A fraction is cut off, never rounded up.
    refused(fixture.with_claim("exp", json!((now - 30) as f64 + 0.9)), VerifyErrorKind::Expired);
    for name in ["nbf", "iat"] {
        assert!(fixture.with_claim(name, json!(now + 30)).is_ok());
        refused(fixture.with_claim(name, json!(now + 31)), VerifyErrorKind::NotYetValid);
    }
    let strict =
        TokenVerifier::new(KeySet::new([fixture.key.verifying_key()]).unwrap(), ISSUER, AUDIENCE)
            .with_clock(fixture.clock.clone())
            .leeway(Duration::ZERO);
    let token = fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string());
    assert!(strict.verify(&token).is_ok());
    fixture.clock.advance(Duration::from_secs(600));
    assert_eq!(strict.verify(&token).unwrap_err().kind(), VerifyErrorKind::Expired);
}

#[test]
fn a_verifier_follows_the_keys_that_it_watches() {
    let fixture = Fixture::new();
    let next = SigningKey::generate().unwrap();
    let old = std::sync::Arc::new(KeySet::new([fixture.key.verifying_key()]).unwrap());
    let (send, receive) = tokio::sync::watch::channel(old);
    let verifier =
        TokenVerifier::watching(receive, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let issuer = TokenIssuer::new(next, ISSUER, AUDIENCE).with_clock(fixture.clock.clone());
    let token = issuer.issue("alice", "").unwrap();
    assert_eq!(verifier.verify(token.expose()).unwrap_err().kind(), VerifyErrorKind::KeyId);
    let both =
        KeySet::new([issuer.signing_key().unwrap().verifying_key(), fixture.key.verifying_key()])
            .unwrap();
    send.send_replace(std::sync::Arc::new(both));
    assert!(verifier.verify(token.expose()).is_ok());
}

#[test]
fn debug_shows_nothing_personal() {
    let fixture = Fixture::new();
    let verified = fixture.with_claim("email", json!("alice@example.org")).unwrap();
    let shown = format!("{verified:?} {:?} {:?}", verified.claims(), fixture.verifier);
    assert!(!shown.contains("alice"), "{shown}");
}

/// jsonwebtoken with its expectations set: the oracle.
fn jsonwebtoken_accepts(fixture: &Fixture, token: &str) -> bool {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    let jwk = serde_json::from_value(fixture.key.verifying_key().to_jwk()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // The oracle reads the system's clock: time is compared by tests of our own.
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    decode::<Value>(token, &key, &validation).is_ok()
}

fn mutations() -> impl Strategy<Value = Vec<(bool, usize, u8)>> {
    proptest::collection::vec((any::<bool>(), any::<usize>(), any::<u8>()), 0..4)
}

proptest! {
    /// Whatever we accept, jsonwebtoken accepts.
    #[test]
    fn we_accept_nothing_that_jsonwebtoken_refuses(changes in mutations(), name in "[a-z]{2,4}", value in "[ -~]{0,8}") {
        let fixture = Fixture::new();
        let mut header = fixture.header().to_string().into_bytes();
        let mut claims = changed(fixture.claims(), &name, json!(value)).to_string().into_bytes();
        for (in_header, place, byte) in changes {
            let target = if in_header { &mut header } else { &mut claims };
            let place = place % target.len();
            target[place] = byte;
        }
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(fixture.key.sign(signed.as_bytes()).unwrap()));
        if fixture.verify(&token).is_ok() {
            prop_assert!(jsonwebtoken_accepts(&fixture, &token));
        }
    }

    /// No bytes make the verifier panic, and none are believed.
    #[test]
    fn any_text_is_survived_and_refused(text in "\\PC{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
        let fixture = Fixture::new();
        prop_assert!(fixture.verify(&text).is_err());
        prop_assert!(fixture.verify(&parts.join(".")).is_err());
    }
}
