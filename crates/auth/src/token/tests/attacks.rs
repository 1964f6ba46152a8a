//! The attack table: how somebody without a key tries to be believed, and somebody with a token to
//! be more than it says. Each group begins with a token that nobody has touched, which is accepted.

use std::{
    io::ErrorKind,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::{Algorithm, VerifyingKey, key::test_keys};

/// The orders of the groups, big-endian.
const P256: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384: &str = "ffffffffffffffffffffffffffffffffffffffffffffffff\
                    c7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const ED25519: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

/// A revocation that denies the token `1`, when it is told to.
#[derive(Default)]
struct Denied(AtomicBool);

impl Revocation for Denied {
    fn state(&self, token: &Verified) -> RevocationState {
        if self.0.load(Ordering::SeqCst) && token.token_id() == Some("1") {
            RevocationState::Revoked
        } else {
            RevocationState::Live
        }
    }
}

/// The fixture with a key of another kind.
pub(super) fn with_key(key: SigningKey) -> Fixture {
    let clock = ManualClock::default();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(clock.clone());
    Fixture { key, clock, verifier }
}

/// A token with nothing wrong about it, whatever kind the fixture's key is of.
pub(super) fn good(fixture: &Fixture) -> String {
    let header = changed(fixture.header(), "alg", json!(fixture.key.algorithm().as_str()));
    fixture.sign(&header.to_string(), &fixture.claims().to_string())
}

/// What somebody makes who takes these bytes for the secret of the header's algorithm.
pub(super) fn with_hmac(fixture: &Fixture, header: &Value, secret: &[u8]) -> String {
    let algorithm = match header["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let (header, claims) = (header.to_string(), fixture.claims().to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// As `refused`, or accepted, for one row of a table.
#[track_caller]
fn answers(
    answer: Result<Verified, VerifyErrorKind>,
    expected: Option<VerifyErrorKind>,
    row: impl std::fmt::Debug,
) {
    assert_eq!(answer.err(), expected, "{row:?}");
}

fn signature_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// The difference of two numbers of one length, big-endian, modulo what that length can hold.
fn minus(number: &[u8], less: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = Vec::new();
    for (number, less) in number.iter().zip(less).rev() {
        let (digit, below) = number.overflowing_sub(*less);
        let (digit, again) = digit.overflowing_sub(u8::from(borrow));
        borrow = below || again;
        digits.push(digit);
    }
    digits.reverse();
    digits
}

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
            assert!(error.to_string().contains("private members"), "{error}");
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
fn numbers_out_of_their_range_are_no_ecdsa_signatures() {
    for (algorithm, order) in [(Algorithm::Es256, P256), (Algorithm::Es384, P384)] {
        let fixture = with_key(SigningKey::from_pem(&test_keys::pem_for(algorithm)).unwrap());
        let token = good(&fixture);
        assert!(fixture.verify(&token).is_ok());
        let signature = signature_of(&token);
        let (r, s) = signature.split_at(signature.len() / 2);
        let (zero, ones, n) = (vec![0_u8; r.len()], vec![0xff_u8; r.len()], hex(order));
        let one = [&zero[1..], &[1_u8][..]].concat();
        let last = minus(&n, &one);
        let all = [&zero, &one, &last, &n, &ones].map(Vec::as_slice);
        for first in all.into_iter().chain([r, s]) {
            for second in all.into_iter().chain([r, s]).filter(|second| (first, *second) != (r, s))
            {
                let answer = fixture.verify(&with_signature(&token, &[first, second].concat()));
                answers(answer, Some(VerifyErrorKind::Signature), (first, second));
            }
        }
        for bad in [r, &signature[1..], &[r, s, &[0]].concat(), &[]] {
            let answer = fixture.verify(&with_signature(&token, bad));
            answers(answer, Some(VerifyErrorKind::Signature), bad);
        }
    }
}

#[test]
fn numbers_that_anybody_can_write_are_no_signatures() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    assert!(fixture.verify(&token).is_ok());
    let signature = signature_of(&token);
    let (point, scalar) = signature.split_at(32);
    let zero = [0_u8; 32];
    let identity = [&[1_u8][..], &zero[1..]].concat();
    // The order is nothing modulo itself, so that a lax reader takes both for the same number.
    let mut higher: Vec<u8> = scalar.iter().rev().copied().collect();
    higher = minus(&higher, &minus(&zero, &hex(ED25519)));
    higher.reverse();
    for bad in [
        [point, higher.as_slice()],
        [point, zero.as_slice()],
        [identity.as_slice(), scalar],
        [identity.as_slice(), zero.as_slice()],
        [zero.as_slice(), zero.as_slice()],
        [scalar, point],
    ] {
        let answer = fixture.verify(&with_signature(&token, &bad.concat()));
        answers(answer, Some(VerifyErrorKind::Signature), bad);
    }
    let pem = test_keys::rsa_pem();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = SigningKey::from_pem(&pem).unwrap().for_algorithm(algorithm).unwrap();
        let fixture = with_key(key);
        let token = good(&fixture);
        assert!(fixture.verify(&token).is_ok());
        let jwk = fixture.key.verifying_key().to_jwk();
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        let zero = vec![0_u8; n.len()];
        let one = [&zero[1..], &[1_u8][..]].concat();
        for bad in [minus(&n, &one), n, vec![0xff; zero.len()], zero, one] {
            let answer = fixture.verify(&with_signature(&token, &bad));
            answers(answer, Some(VerifyErrorKind::Signature), (algorithm, bad));
        }
    }
}

/// From one ECDSA signature anybody makes a second one, so a token must not be denied by its text.
#[test]
fn the_twin_of_an_ecdsa_signature_is_denied_with_it() {
    let fixture = with_key(SigningKey::from_pem(&test_keys::pem_for(Algorithm::Es256)).unwrap());
    let denied = Arc::new(Denied::default());
    let verifier = fixture.verifier.clone().cache(TokenCache::full_token());
    let verifier = verifier.revocation(Arc::clone(&denied) as Arc<dyn Revocation>);
    let token = good(&fixture);
    let signature = signature_of(&token);
    let (r, s) = signature.split_at(32);
    let twin = with_signature(&token, &[r, minus(&hex(P256), s).as_slice()].concat());
    assert_ne!(twin, token);
    for text in [&token, &twin, &token, &twin] {
        assert_eq!(verifier.verify(text).unwrap().token_id(), Some("1"));
    }
    denied.0.store(true, Ordering::SeqCst);
    for text in [&token, &twin] {
        assert_eq!(verifier.verify(text).unwrap_err().kind(), VerifyErrorKind::Revoked);
    }
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

/// The answer to a token with a claim that is written so, whatever JSON that is.
fn with_written(fixture: &Fixture, name: &str, value: &str) -> Result<Verified, VerifyErrorKind> {
    let others = changed(fixture.claims(), name, Value::Null).to_string();
    let claims = others.replacen('{', &format!("{{\"{name}\":{value},"), 1);
    fixture.verify(&fixture.sign(&fixture.header().to_string(), &claims))
}

#[test]
fn a_claim_of_another_type_is_never_taken_for_one_that_is_absent() {
    use VerifyErrorKind::{Audience, Claims, Expired, Issuer};

    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    // What each says to an empty string, another string, a number, and to what is none of them.
    for (name, empty, text, number, other) in [
        ("iss", Some(Issuer), Some(Issuer), Some(Issuer), Issuer),
        ("aud", Some(Audience), Some(Audience), Some(Audience), Audience),
        ("sub", Some(Claims), None, Some(Claims), Claims),
        ("client_id", Some(Claims), None, Some(Claims), Claims),
        ("jti", Some(Claims), None, Some(Claims), Claims),
        ("scope", None, None, Some(Claims), Claims),
        ("sid", None, None, Some(Claims), Claims),
        ("exp", Some(Claims), Some(Claims), Some(Expired), Claims),
        ("iat", Some(Claims), Some(Claims), None, Claims),
        ("nbf", Some(Claims), Some(Claims), None, Claims),
        ("auth_time", Some(Claims), Some(Claims), None, Claims),
    ] {
        let others = ["null", "true", "false", "-1", "-0.5", "[]", "[\"x\"]", "[[\"x\"]]", "[1]"];
        let all = [("\"\"", empty), ("\"x\"", text), ("0", number), ("1.5", number)];
        let others = others.into_iter().chain(["{}", "{\"x\":\"x\"}"]);
        for (value, expected) in all.into_iter().chain(others.map(|value| (value, Some(other)))) {
            answers(with_written(&fixture, name, value), expected, (name, value));
        }
    }
    for list in ["[\"api\",1]", "[\"api\",null]", "[\"api\",[]]", "[[\"api\"]]", "{\"api\":true}"] {
        answers(with_written(&fixture, "aud", list), Some(Audience), list);
    }
    assert!(with_written(&fixture, "aud", "[\"x\",\"api\"]").is_ok());
}

#[test]
fn a_claim_that_means_something_stands_there_once() {
    let fixture = Fixture::new();
    let mut all = fixture.claims();
    (all["sid"], all["nbf"], all["auth_time"]) = (json!("s"), json!(1), json!(1));
    for (name, value) in all.as_object().unwrap() {
        assert!(with_written(&fixture, name, &value.to_string()).is_ok(), "{name}");
        let (first, rest) = name.split_at(1);
        for again in [name.clone(), format!("\\u00{:02x}{rest}", first.as_bytes()[0])] {
            let twice = format!("{value},\"{again}\":{value}");
            answers(with_written(&fixture, name, &twice), Some(VerifyErrorKind::Claims), again);
        }
    }
}

#[test]
fn times_hold_to_the_second_at_both_ends() {
    use VerifyErrorKind::{Expired, NotYetValid};

    let fixture = Fixture::new();
    let now = fixture.clock.unix().as_secs();
    // At the beginning of a second, and at its end.
    for _ in 0..2 {
        assert!(fixture.verify(&good(&fixture)).is_ok());
        for leeway in [0, 1, 30, 3_600] {
            let verifier = fixture.verifier.clone().leeway(Duration::from_secs(leeway));
            for (name, time, expected) in [
                ("exp", now - leeway - 1, Some(Expired)),
                ("exp", now - leeway, Some(Expired)),
                ("exp", now - leeway + 1, None),
                ("nbf", now + leeway, None),
                ("nbf", now + leeway + 1, Some(NotYetValid)),
                ("iat", now + leeway, None),
                ("iat", now + leeway + 1, Some(NotYetValid)),
            ] {
                let claims = changed(fixture.claims(), name, json!(time)).to_string();
                let token = fixture.sign(&fixture.header().to_string(), &claims);
                let answer = verifier.verify(&token).map_err(|error| error.kind());
                answers(answer, expected, (name, leeway));
            }
        }
        fixture.clock.advance(Duration::from_nanos(999_999_999));
    }
}

#[test]
fn a_time_is_a_number_from_zero_on_however_it_is_written() {
    use VerifyErrorKind::{Claims, Expired, NotYetValid};

    let fixture = Fixture::new();
    for (name, expected, all) in [
        ("exp", None, ["1800000600", "1800000600.0", "18000006e2", "1.8000006E+9"].as_slice()),
        ("exp", None, &["18446744073709551615"]),
        ("exp", Some(Expired), &["-0", "-0.0", "0.9", "1e-400", "1799999970.999999"]),
        ("exp", Some(Claims), &["1e400", "-1e400", "18446744073709551616", "\"1800000600\""]),
        ("exp", Some(Claims), &["NaN", "Infinity", "-", "+1", "01", "1.", ".5", "0x7f", "1_000"]),
        ("nbf", None, &["-0", "1800000030", "1800000030.999"]),
        ("nbf", Some(NotYetValid), &["1800000031", "18446744073709551615"]),
        ("nbf", Some(Claims), &["1e400", "18446744073709551616"]),
        ("iat", None, &["-0", "1800000030.999"]),
        ("iat", Some(NotYetValid), &["1800000031", "18446744073709551615"]),
        ("iat", Some(Claims), &["1e400", "18446744073709551616"]),
    ] {
        for written in all {
            answers(with_written(&fixture, name, written), expected, (name, written));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of the clock, which may be set back, of the keys and of the revocation: a
    /// token that was seen before is answered as one that was not.
    #[test]
    fn a_cache_changes_no_answer(
        steps in prop::collection::vec((0..4_u8, 0..1_200_u16), 1..40),
    ) {
        let (a, b) = (Fixture::new(), Fixture::new());
        let impostor = SigningKey::generate().unwrap().named(a.key.key_id()).unwrap();
        let set = |keys: &[&SigningKey]| {
            Arc::new(KeySet::new(keys.iter().map(|key| key.verifying_key())).unwrap())
        };
        let sets = [
            set(&[&a.key, &b.key]),
            set(&[&a.key]),
            set(&[&b.key]),
            set(&[&impostor, &b.key]),
        ];
        let (send, receive) = tokio::sync::watch::channel(Arc::clone(&sets[0]));
        let (clock, denied) = (ManualClock::default(), Arc::new(Denied::default()));
        let verifier = TokenVerifier::watching(receive, ISSUER, AUDIENCE)
            .with_clock(clock.clone())
            .profile(Profile::plain())
            .revocation(Arc::clone(&denied) as Arc<dyn Revocation>);
        let cached = [TokenCache::digest(), TokenCache::full_token()]
            .map(|cache| verifier.clone().cache(cache));
        let now = clock.unix().as_secs();
        let mut tokens = Vec::new();
        for (id, of) in [("1", &a), ("2", &b)] {
            let header = json!({ "alg": "EdDSA", "kid": of.key.key_id() }).to_string();
            for (issued, begins, lives) in
                [(Some(now), None, 600), (None, None, 300), (None, Some(now + 200), 900)]
            {
                let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "jti": id,
                    "exp": now + lives });
                let claims = changed(claims, "iat", json!(issued));
                let claims = changed(claims, "nbf", json!(begins));
                tokens.push(of.sign(&header, &claims.to_string()));
            }
        }
        let ask = |verifier: &TokenVerifier<ManualClock>, token: &str| {
            let answer = verifier.verify(token).map_err(|error| error.kind());
            answer.map(|verified| verified.token_id().map(str::to_owned))
        };
        prop_assert_eq!(ask(&verifier, &tokens[0]), Ok(Some("1".to_owned())));
        for (what, amount) in steps {
            match what {
                0 => clock.advance(Duration::from_secs(amount.into())),
                1 => clock.step_unix(Duration::from_secs(now - 300 + u64::from(amount))),
                2 => drop(send.send_replace(Arc::clone(&sets[usize::from(amount) % sets.len()]))),
                _ => denied.0.store(amount % 2 == 0, Ordering::SeqCst),
            }
            for token in &tokens {
                let expected = ask(&verifier, token);
                for cached in &cached {
                    prop_assert_eq!(ask(cached, token), expected.clone());
                }
            }
        }
    }
}
