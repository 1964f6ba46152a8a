//! What a header may say.

use std::{io::ErrorKind, net::TcpListener};

use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::VerifyingKey;

#[test]
fn none_is_no_algorithm_in_any_of_its_16_spellings() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    assert!(fixture.verify(&token).is_ok());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    for spelling in 0..16_u8 {
        let letter = |(place, letter): (usize, char)| {
            if (spelling >> place) & 1 == 0 { letter } else { letter.to_ascii_uppercase() }
        };
        let name: String = "none".chars().enumerate().map(letter).collect();
        for key_id in [json!(fixture.key.key_id()), Value::Null] {
            let header = changed(fixture.header(), "alg", json!(name));
            let header = encode(&changed(header, "kid", key_id).to_string());
            for signature in ["", signature, "AAAA"] {
                let answer = fixture.verify(&format!("{header}.{claims}.{signature}"));
                answers(answer, Some(VerifyErrorKind::Algorithm), &name);
            }
        }
    }
}

/// The forms in which a public key lies about, any of which a library may take for a secret.
fn forms(key: &VerifyingKey) -> Vec<Vec<u8>> {
    let (pem, jwk) = (key.to_pem().unwrap(), key.to_jwk());
    let member = jwk["n"].as_str().or(jwk["x"].as_str()).unwrap();
    let texts = [
        pem.trim_end().to_owned(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', ""),
        format!(" {pem}"),
        format!("\n\t{pem}"),
        format!("\u{feff}{pem}"),
        format!("# key\n{pem}"),
        jwk.to_string(),
        serde_json::to_string_pretty(&jwk).unwrap(),
        json!({ "keys": [jwk] }).to_string(),
        member.to_owned(),
        pem,
    ];
    let mut forms = Vec::from(texts.map(String::into_bytes));
    forms.push(key.to_der().unwrap());
    forms.push(URL_SAFE_NO_PAD.decode(member).unwrap());
    forms
}

#[test]
fn no_form_of_a_public_key_is_the_secret_of_an_hmac() {
    let pems = [
        test_keys::rsa_pem(),
        test_keys::pem_for(Algorithm::Es256),
        test_keys::pem_for(Algorithm::Es384),
        test_keys::pem_for(Algorithm::EdDsa),
    ];
    for fixture in pems.map(|pem| with_key(SigningKey::from_pem(&pem).unwrap())) {
        assert!(fixture.verify(&good(&fixture)).is_ok());
        for secret in forms(&fixture.key.verifying_key()) {
            let oct = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(&secret) }).to_string();
            let error = VerifyingKey::from_jwk(oct.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("the private member `k`"), "{error}");
            for name in ["HS256", "HS384", "HS512"] {
                for key_id in [json!(fixture.key.key_id()), Value::Null] {
                    let header = changed(fixture.header(), "alg", json!(name));
                    let forged = with_hmac(&fixture, &changed(header, "kid", key_id), &secret);
                    refused(fixture.verify(&forged), VerifyErrorKind::Algorithm);
                }
            }
        }
    }
}

#[test]
fn keys_and_links_in_a_header_are_neither_used_nor_fetched() {
    let (fixture, mallory) = (Fixture::new(), Fixture::new());
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", canary.local_addr().unwrap());
    let public = mallory.key.verifying_key();
    let (jwk, der) = (public.to_jwk(), STANDARD.encode(public.to_der().unwrap()));
    let key_ids = [
        (json!(fixture.key.key_id()), true),
        (Value::Null, true),
        (json!(mallory.key.key_id()), false),
        (json!(url), false),
    ];
    for (name, value) in [
        ("jwks", json!({ "keys": [jwk] })),
        ("jwk", jwk),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([der])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        for (key_id, is_ours) in &key_ids {
            let header = changed(fixture.header(), name, value.clone());
            let header = changed(header, "kid", key_id.clone()).to_string();
            let claims = fixture.claims().to_string();
            let unknown = (!is_ours).then_some(VerifyErrorKind::KeyId);
            let forged = fixture.verify(&mallory.sign(&header, &claims));
            answers(forged, unknown.or(Some(VerifyErrorKind::Signature)), name);
            answers(fixture.verify(&fixture.sign(&header, &claims)), unknown, name);
        }
    }
    assert_eq!(canary.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody asked there");
}

#[test]
fn a_key_id_is_compared_byte_for_byte_and_is_used_for_nothing_else() {
    use VerifyErrorKind::{Header, KeyId, TooLong};

    let fixture = with_key(SigningKey::generate().unwrap().named("key-1").unwrap());
    assert!(fixture.verify(&good(&fixture)).is_ok());
    for all in [
        ["", "key", "key-11", "KEY-1", " key-1", "key-1 ", "key-1\n", "0", "*", "%"].as_slice(),
        &["key-1\0", "\0key-1", "key-1\0.pem", "key-1%00", "key\u{2010}1", "\u{ff4b}ey-1"],
        &["\u{202e}1-yek", "' OR '1'='1", "key-1' --", "x' UNION SELECT 'key", "*)(uid=*"],
        &["../key-1", "./key-1", "..\\key-1", "%2e%2e%2fkey-1", "/dev/null", "file:///dev/null"],
        &["https://evil.example/key-1", "//evil.example", "key-1|id", "$(id)", "`id`", "{{7*7}}"],
        &["${jndi:ldap://evil.example/a}", "__proto__", "constructor", "key-1,key-1", "[key-1]"],
    ] {
        for key_id in all {
            answers(fixture.with_header("kid", json!(key_id)), Some(KeyId), key_id);
        }
    }
    let written = |key_id: &str| {
        let header = fixture.header().to_string().replace("\"key-1\"", key_id);
        fixture.verify(&fixture.sign(&header, &fixture.claims().to_string()))
    };
    assert!(written(r#""k\u0065y-1""#).is_ok(), "the same text");
    for other in ["1", "1.5", "true", "null", "[]", r#"["key-1"]"#, r#"{"key-1":1}"#] {
        answers(written(other), Some(Header), other);
    }
    for (length, expected) in [(129, KeyId), (600, KeyId), (1_000, TooLong), (65_536, TooLong)] {
        answers(fixture.with_header("kid", json!("a".repeat(length))), Some(expected), length);
    }
    let fixture = with_key(SigningKey::generate().unwrap().named(&"a".repeat(128)).unwrap());
    assert!(fixture.verify(&good(&fixture)).is_ok());
}

#[test]
fn crit_is_refused_in_every_form_and_nothing_else_is_taken_for_it() {
    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    let claims = fixture.claims().to_string();
    let with = |members: &str| {
        let header = fixture.header().to_string().replacen('{', &format!("{{{members},"), 1);
        fixture.verify(&fixture.sign(&header, &claims))
    };
    for critical in [
        r#""crit":[]"#,
        r#""crit":["x"]"#,
        r#""x":1,"crit":["x"]"#,
        r#""x":1,"crit":["x","x"]"#,
        r#""crit":["alg","typ","kid"]"#,
        r#""crit":["crit"]"#,
        r#""crit":[""]"#,
        r#""crit":[1,[],{}]"#,
        r#""crit":"x""#,
        r#""crit":{}"#,
        r#""crit":null"#,
        r#""crit":false"#,
        r#""cr\u0069t":["x"]"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
    ] {
        answers(with(critical), Some(VerifyErrorKind::CriticalHeader), critical);
    }
    for twice in [r#""crit":[],"crit":[]"#, r#""crit":[],"cr\u0069t":[]"#] {
        answers(with(twice), Some(VerifyErrorKind::Header), twice);
    }
    // Names know case, and the claims are another place.
    for other in [r#""Crit":["x"]"#, r#""crit ":["x"]"#, r#""criticalx":[]"#] {
        answers(with(other), None, other);
    }
    assert!(fixture.with_claim("crit", json!(["x"])).is_ok());
}

#[test]
fn what_one_key_signs_is_of_one_kind() {
    use VerifyErrorKind::{Audience, Claims, Issuer, Type};

    let fixture = Fixture::new();
    let now = fixture.clock.unix().as_secs();
    let typed = |kind: &'static str| (kind, Profile::typed(kind));
    let profiles = [
        ("at+jwt", Profile::rfc9068()),
        ("JWT", Profile::plain()),
        typed("logout+jwt"),
        typed("secevent+jwt"),
        typed("dpop+jwt"),
        typed("oauth-authz-req+jwt"),
        typed("client-authentication+jwt"),
        typed("token-introspection+jwt"),
    ];
    let id_token = json!({ "iss": ISSUER, "aud": "web", "sub": "alice", "nonce": "n", "iat": now,
        "exp": now + 600 });
    let assertion =
        json!({ "iss": "web", "aud": ISSUER, "sub": "web", "jti": "1", "exp": now + 600 });
    let logout = json!({ "iss": ISSUER, "aud": "web", "sub": "alice", "jti": "1", "iat": now,
        "exp": now + 120, "events": { "urn:logout": {} } });
    let event = json!({ "iss": ISSUER, "aud": AUDIENCE, "jti": "1", "iat": now, "events": {} });
    let proof = json!({ "jti": "1", "htm": "GET", "htu": "https://api.example/", "iat": now });
    let request = json!({ "iss": "web", "aud": ISSUER, "client_id": "web", "scope": "x" });
    let about = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": now,
        "token_introspection": { "active": true, "sub": "alice" } });
    // The type, the claims as they are usual, and what the verifier of that very type says to them.
    for (kind, usual, answer) in [
        (Some("at+jwt"), fixture.claims(), None),
        (Some("JWT"), id_token.clone(), Some(Audience)),
        (None, id_token, Some(Audience)),
        (Some("JWT"), assertion.clone(), Some(Issuer)),
        (Some("client-authentication+jwt"), assertion, Some(Issuer)),
        (Some("logout+jwt"), logout, Some(Audience)),
        (Some("secevent+jwt"), event, Some(Claims)),
        (Some("dpop+jwt"), proof, Some(Issuer)),
        (Some("oauth-authz-req+jwt"), request, Some(Issuer)),
        (Some("token-introspection+jwt"), about, Some(Claims)),
    ] {
        let header = changed(fixture.header(), "typ", json!(kind)).to_string();
        // And the claims at their worst, which are those of an access token.
        for (claims, own) in [(usual, answer), (fixture.claims(), None)] {
            let token = fixture.sign(&header, &claims.to_string());
            for (expected, profile) in &profiles {
                let verifier = fixture.verifier.clone().profile(profile.clone());
                let answer = verifier.verify(&token).map_err(|error| error.kind());
                let is_own = *expected == kind.unwrap_or("JWT");
                answers(answer, if is_own { own } else { Some(Type) }, (kind, expected));
            }
        }
    }
}
