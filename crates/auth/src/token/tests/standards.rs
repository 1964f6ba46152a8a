//! One test for each rule of RFC 8725 (and its revision, 8725bis) that a verifier of signed tokens can
//! keep, for each requirement of OWASP ASVS 5.0 on self-contained tokens, and for faults that others
//! had. `docs/auth.md` lists them by their names: `scripts/lib/auth_table.py` writes that list.

use aws_lc_rs::hmac;

use super::*;
use crate::{Algorithm, KeySetError, VerifyingKey};

fn good(fixture: &Fixture) -> String {
    fixture.sign(&fixture.header().to_string(), &fixture.claims().to_string())
}

/// The algorithm is the key's, and the header has to agree.
#[test]
fn rfc8725_3_01_each_key_has_exactly_one_algorithm() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for name in ["none", "HS256", "RS256", "eddsa", "ES256"] {
        refused(fixture.with_header("alg", json!(name)), VerifyErrorKind::Algorithm);
    }
    let rsa = SigningKey::from_pem(&crate::key::test_keys::rsa_pem()).unwrap();
    let pss = rsa.verifying_key().for_algorithm(Algorithm::Ps256).unwrap();
    let signature = rsa.sign(b"x").unwrap();
    assert!(rsa.verifying_key().accepts(b"x", &signature) && !pss.accepts(b"x", &signature));
}

/// `none` and algorithms that the key does not have cannot be named.
#[test]
fn rfc8725_3_02_there_is_no_inappropriate_algorithm() {
    for name in ["none", "None", "RS1", "HS1", "ES256K", "RSA1_5", "A128KW", "EdDSA ", "es256", ""]
    {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
    assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa), "RFC 9864");
}

/// A failure of any operation refuses the token as a whole.
#[test]
fn rfc8725_3_03_every_operation_is_validated() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    for place in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        assert!(fixture.verify(std::str::from_utf8(&other).unwrap()).is_err(), "{place}");
    }
}

/// Encrypted tokens (five parts) are not signed tokens.
#[test]
fn rfc8725bis_3_03_jws_is_told_from_jwe() {
    let fixture = Fixture::new();
    let header = encode(&json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }).to_string());
    assert!(fixture.verify(&format!("{header}..AAAA.AAAA.AAAA")).is_err());
}

/// Points of keys are on their curve, and not of small order.
#[test]
fn rfc8725_3_04_cryptographic_inputs_are_validated() {
    let off = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]),
        "y": URL_SAFE_NO_PAD.encode([1; 32]) });
    let mut identity = [0; 32];
    identity[0] = 1;
    let small = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(identity) });
    for jwk in [off, small] {
        assert!(VerifyingKey::from_jwk(jwk.to_string().as_bytes()).is_err(), "{jwk}");
    }
}

/// Secrets are as long as their hash, and not from public documentation.
#[test]
fn rfc8725_3_05_secrets_have_entropy() {
    for secret in [&b"password"[..], b"", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        assert!(VerifyingKey::symmetric(Algorithm::Hs256, &secret.into()).is_err());
    }
}

/// Nothing is decompressed: `zip` changes nothing about how a payload is read.
#[test]
fn rfc8725_3_06_nothing_is_decompressed() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let header = changed(fixture.header(), "zip", json!("DEF")).to_string();
    let deflated = "\u{4b}\u{4c}\u{4a}\u{06}\u{00}";
    refused(fixture.verify(&fixture.sign(&header, deflated)), VerifyErrorKind::Claims);
}

/// Headers and claims are UTF-8 to the last byte, without a mark of another encoding.
#[test]
fn rfc8725_3_07_json_is_utf8() {
    let fixture = Fixture::new();
    let header = fixture.header().to_string();
    let utf16: Vec<u8> =
        fixture.claims().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let signed = format!("{}.{}", encode(&header), URL_SAFE_NO_PAD.encode(utf16));
    let signature = URL_SAFE_NO_PAD.encode(fixture.key.sign(signed.as_bytes()).unwrap());
    refused(fixture.verify(&format!("{signed}.{signature}")), VerifyErrorKind::Claims);
    let marked = format!("\u{feff}{}", fixture.claims());
    refused(fixture.verify(&fixture.sign(&header, &marked)), VerifyErrorKind::Claims);
}

/// Keys belong to one issuer, `iss` has to be that one, and there is a subject.
#[test]
fn rfc8725_3_08_issuer_and_subject_are_validated() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for issuer in [Value::Null, json!("https://evil.example"), json!([ISSUER]), json!(1)] {
        refused(fixture.with_claim("iss", issuer), VerifyErrorKind::Issuer);
    }
    for subject in [Value::Null, json!(""), json!(1)] {
        refused(fixture.with_claim("sub", subject), VerifyErrorKind::Claims);
    }
}

/// Without an audience, or with another one, a token is refused.
#[test]
fn rfc8725_3_09_audience_is_required_and_validated() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for audience in [Value::Null, json!("other"), json!(["other"]), json!([]), json!({ "api": 1 })]
    {
        refused(fixture.with_claim("aud", audience), VerifyErrorKind::Audience);
    }
}

/// `kid` is looked up and nothing else; keys and links in the header are not looked at.
#[test]
fn rfc8725_3_10_received_claims_are_not_trusted() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let mallory = Fixture::new();
    for id in ["../../etc/passwd", "' OR 1=1", "\0", "https://evil.example/jwks"] {
        refused(fixture.with_header("kid", json!(id)), VerifyErrorKind::KeyId);
    }
    for (name, value) in [
        ("jwk", mallory.key.verifying_key().to_jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let header = changed(fixture.header(), name, value).to_string();
        let forged = mallory.sign(&header, &fixture.claims().to_string());
        refused(fixture.verify(&forged), VerifyErrorKind::Signature);
    }
}

/// Access tokens say that they are some, by `typ`.
#[test]
fn rfc8725_3_11_types_are_explicit() {
    let fixture = Fixture::new();
    for kind in
        [Value::Null, json!("JWT"), json!("dpop+jwt"), json!("xat+jwt"), json!("text/at+jwt")]
    {
        refused(fixture.with_header("typ", kind), VerifyErrorKind::Type);
    }
    for kind in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT"] {
        assert!(fixture.with_header("typ", json!(kind)).is_ok(), "{kind}");
    }
}

/// What is accepted as one kind of token is accepted as no other.
#[test]
fn rfc8725_3_12_rules_of_kinds_exclude_one_another() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    for profile in [Profile::plain(), Profile::typed("logout+jwt")] {
        let verifier = fixture.verifier.clone().profile(profile);
        assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::Type);
    }
}

/// Only the characters of base64url and dots: no padding, blanks, or bits behind the end.
#[test]
fn rfc8725bis_3_14_the_compact_form_has_no_other_characters() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    let (start, last) = token.split_at(token.len() - 1);
    for bad in [
        format!("{token}="),
        format!("{token}\n"),
        format!("\t{token}"),
        token.replacen('.', ".+", 1),
        token.replacen('.', "./", 1),
        token.replacen('.', ".\u{e9}", 1),
        format!("{start}{}", if last == "B" { "C" } else { "B" }),
    ] {
        assert_eq!(fixture.verify(&bad).unwrap_err(), VerifyErrorKind::Malformed, "{bad:?}");
    }
}

/// The signature is verified before anything of a token is used.
#[test]
fn asvs_9_1_1_the_signature_comes_before_the_contents() {
    let (fixture, mallory) = (Fixture::new(), Fixture::new());
    // What is wrong with the claims does not show as long as the signature is wrong.
    let claims = changed(fixture.claims(), "exp", json!(0)).to_string();
    let forged = mallory.sign(&fixture.header().to_string(), &claims);
    refused(fixture.verify(&forged), VerifyErrorKind::Signature);
}

/// Only algorithms of an allow list, and `none` never; symmetric and public keys do not mix.
#[test]
fn asvs_9_1_2_algorithms_are_an_allow_list_without_none() {
    assert_eq!(Algorithm::from_name("none"), None);
    let secret = crate::key::test_keys::secret(32);
    let symmetric = VerifyingKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap();
    let public = SigningKey::generate().unwrap().verifying_key();
    assert_eq!(KeySet::new([symmetric, public]).unwrap_err(), KeySetError::Mixed);
}

/// Keys come from the verifier's set, never from the token.
#[test]
fn asvs_9_1_3_keys_come_from_configured_sources() {
    let (fixture, mallory) = (Fixture::new(), Fixture::new());
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": mallory.key.key_id(),
        "jwk": mallory.key.verifying_key().to_jwk() });
    let forged = mallory.sign(&header.to_string(), &fixture.claims().to_string());
    refused(fixture.verify(&forged), VerifyErrorKind::KeyId);
}

/// `exp` and `nbf` bound the time in which a token is accepted.
#[test]
fn asvs_9_2_1_tokens_are_valid_for_their_time() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let now = fixture.clock.unix().as_secs();
    refused(fixture.with_claim("exp", json!(now - 30)), VerifyErrorKind::Expired);
    refused(fixture.with_claim("nbf", json!(now + 31)), VerifyErrorKind::NotYetValid);
    refused(fixture.with_claim("exp", Value::Null), VerifyErrorKind::Claims);
}

/// An ID token is not an access token.
#[test]
fn asvs_9_2_2_tokens_are_of_the_type_that_is_meant() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    refused(fixture.with_header("typ", json!("JWT")), VerifyErrorKind::Type);
}

/// Tokens for another audience are refused.
#[test]
fn asvs_9_2_3_tokens_are_for_this_audience() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    refused(fixture.with_claim("aud", json!("https://other.example")), VerifyErrorKind::Audience);
}

/// An issuer that signs for several audiences names each of them: ours is compared whole.
#[test]
fn asvs_9_2_4_audiences_are_told_apart_exactly() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for near in ["API", "api/", "api ", " api", "ap", "apis", "api\0"] {
        refused(fixture.with_claim("aud", json!(near)), VerifyErrorKind::Audience);
        refused(fixture.with_claim("aud", json!([near])), VerifyErrorKind::Audience);
    }
}

/// CVE-2025-59420, CVE-2026-32597: an unknown critical extension was ignored.
#[test]
fn cve_2025_59420_unknown_critical_extensions() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for crit in [json!(["cnf"]), json!([]), json!(["exp"]), json!("cnf"), json!([1])] {
        refused(fixture.with_header("crit", crit), VerifyErrorKind::CriticalHeader);
    }
}

/// CVE-2026-25537: claims of the wrong type counted as absent.
#[test]
fn cve_2026_25537_claims_of_the_wrong_type() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for name in ["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "client_id", "scope"] {
        for wrong in [json!({}), json!(true), json!([[]]), json!(-1)] {
            assert!(fixture.with_claim(name, wrong.clone()).is_err(), "{name} {wrong}");
        }
    }
}

/// CVE-2025-30204: a text of dots was split into as many parts.
#[test]
fn cve_2025_30204_a_text_of_dots() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&".".repeat(8 * 1024)).is_err());
    refused(fixture.verify(&".".repeat(100_000)), VerifyErrorKind::TooLong);
}

/// CVE-2022-21449: a signature of zeros was valid for any message.
#[test]
fn cve_2022_21449_signatures_of_zeros() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = SigningKey::from_pem(&crate::key::test_keys::pem_for(algorithm)).unwrap();
        let public = key.verifying_key();
        assert!(!public.accepts(b"message", &vec![0; public.signature_len()]));
    }
}

/// CVE-2016-10555, CVE-2026-34950: the public key was taken for the secret of an HMAC.
#[test]
fn cve_2016_10555_a_public_key_is_no_secret() {
    let rsa = SigningKey::from_pem(&crate::key::test_keys::rsa_pem()).unwrap();
    let public = rsa.verifying_key();
    let keys = KeySet::new([public.clone()]).unwrap();
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE);
    let pem = public.to_pem().unwrap();
    let fixture = Fixture::new();
    for secret in [pem.as_bytes(), format!(" \n{pem}").as_bytes(), &public.to_der().unwrap()] {
        // Neither side takes it for one,
        assert!(SigningKey::symmetric(Algorithm::Hs256, &secret.into()).is_err());
        assert!(VerifyingKey::symmetric(Algorithm::Hs256, &secret.into()).is_err());
        // and whoever signs with it by other means is not believed.
        let forger = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": public.key_id() });
        let signed =
            format!("{}.{}", encode(&header.to_string()), encode(&fixture.claims().to_string()));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&forger, signed.as_bytes()));
        let answer = verifier.verify(&format!("{signed}.{signature}"));
        assert_eq!(answer.unwrap_err().kind(), VerifyErrorKind::Algorithm);
    }
}
