//! Keys as they come from other issuers.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

fn public(pem: &str) -> Value {
    VerifyingKey::from_pem(pem).unwrap().to_jwk()
}

fn read(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_jwk(jwk.to_string().as_bytes())
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    let members = jwk.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    jwk
}

#[test]
fn what_is_published_is_read_again() {
    for pem in [ed25519(), p256(), p384(), rsa()] {
        let key = VerifyingKey::from_pem(&pem).unwrap();
        let again = read(&key.to_jwk()).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert_eq!(again.to_jwk(), key.to_jwk());
    }
    let named = VerifyingKey::from_pem(&rsa()).unwrap().named("2026-11").unwrap();
    assert_eq!(read(&named.to_jwk()).unwrap().key_id(), "2026-11");
}

#[test]
fn the_thumbprints_are_those_of_the_rfcs() {
    // RFC 7638 section 3.1 and RFC 8037 appendix A.3.
    let rsa = json!({ "kty": "RSA", "e": "AQAB", "kid": "2011-04-29", "alg": "RS256", "n":
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ\
         ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2\
         QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh\
         6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" });
    assert_eq!(read(&rsa).unwrap().key_id(), "2011-04-29");
    let unnamed = with(rsa, "kid", Value::Null);
    assert_eq!(read(&unnamed).unwrap().key_id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let okp = json!({ "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(read(&okp).unwrap().key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_that_is_not_for_verifying_is_refused() {
    let key = public(&rsa());
    for (name, value, expected) in [
        ("use", json!("enc"), JWK_USE),
        ("use", json!("SIG"), JWK_USE),
        ("use", json!(1), JWK_USE),
        ("key_ops", json!(["sign"]), JWK_OPS),
        ("key_ops", json!("verify"), JWK_OPS),
        ("key_ops", json!(["verify", "verify"]), JWK_OPS),
        ("key_ops", json!(["verify", 1]), JWK_OPS),
        ("key_ops", json!(["verify", "encrypt"]), JWK_OPS),
        ("alg", json!("RSA-OAEP"), JWK_ALGORITHM),
        ("alg", json!("ES256"), JWK_ALGORITHM),
        ("alg", json!("HS256"), JWK_ALGORITHM),
        ("alg", json!("none"), JWK_ALGORITHM),
        ("alg", json!("rs256"), JWK_ALGORITHM),
        ("alg", json!(1), JWK_ALGORITHM),
        ("kty", json!("oct"), JWK_PRIVATE.on("k")),
        ("kty", json!("rsa"), JWK_KIND),
        ("kty", Value::Null, JWK_KIND),
        ("crv", json!("P-256"), JWK_KIND),
        ("kid", json!(1), BAD_KEY_ID),
        ("kid", json!("a\0b"), BAD_KEY_ID),
        ("kid", json!("a".repeat(129)), BAD_KEY_ID),
        ("d", json!("AQAB"), JWK_PRIVATE.on("d")),
        ("oth", json!([{}]), JWK_PRIVATE.on("oth")),
        ("n", Value::Null, JWK_MISSING.on("n")),
        ("n", json!(""), JWK_MISSING.on("n")),
        ("n", json!("AQAB"), RSA_TOO_SMALL),
        ("n", json!("AP__"), RSA_TOO_SMALL),
        ("n", json!("AAAA"), JWK_MEMBER.on("n")),
        ("n", json!("a b"), JWK_MEMBER.on("n")),
        ("e", json!("AQAB="), JWK_MEMBER.on("e")),
        ("e", json!("AQAC"), RSA_EXPONENT),
        ("e", json!("Aw"), RSA_EXPONENT),
        ("e", json!(65537), JWK_MEMBER.on("e")),
    ] {
        let changed = with(key.clone(), name, value.clone());
        let changed = if name == "kty" && value == "oct" {
            with(with(changed, "alg", json!("HS256")), "k", json!("AQAB"))
        } else {
            changed
        };
        assert_eq!(read(&changed).unwrap_err(), expected, "{name} {value}");
    }
    let allowed = with(key.clone(), "key_ops", json!(["verify"]));
    assert!(read(&allowed).is_ok());
    let twice = key.to_string().replacen('{', r#"{"kty":"RSA","#, 1);
    assert_eq!(VerifyingKey::from_jwk(twice.as_bytes()).unwrap_err(), JWK_DUPLICATE);
}

#[test]
fn points_off_their_curve_or_of_another_length_are_refused() {
    for (pem, length) in [(p256(), 32), (p384(), 48)] {
        let key = public(&pem);
        let off = URL_SAFE_NO_PAD.encode(vec![1; length]);
        assert_eq!(read(&with(key.clone(), "y", json!(off))).unwrap_err(), JWK_OFF_CURVE);
        let long = URL_SAFE_NO_PAD.encode(vec![1; length + 1]);
        let error = read(&with(key.clone(), "x", json!(long))).unwrap_err();
        assert_eq!((error, error.member()), (JWK_MEMBER.on("x"), Some("x")));
        assert_eq!(read(&with(key.clone(), "crv", json!("P-521"))).unwrap_err(), JWK_KIND);
        let other = if length == 32 { "P-384" } else { "P-256" };
        assert!(read(&with(key, "crv", json!(other))).is_err());
    }
    for curve in ["Ed448", "X25519", "ed25519"] {
        let key = with(public(&ed25519()), "crv", json!(curve));
        assert_eq!(read(&key).unwrap_err(), JWK_KIND);
    }
}

#[test]
fn one_bad_key_never_loses_the_good_ones() {
    let good = [public(&rsa()), public(&p256()), public(&ed25519())];
    let mut private = public(&ed25519());
    private["d"] = json!("AQAB");
    private["kid"] = json!("leaked");
    let again = good[0].clone();
    let set = json!({ "keys": [
        { "kty": "AKP", "alg": "ML-DSA-44", "kid": "pq" }, good[0], null, 7, "key", [], {},
        with(good[1].clone(), "use", json!("enc")), good[1], private, again, good[2],
        { "kty": "oct", "k": "AQAB", "kid": "shared" },
    ], "extra": 1 });
    let (keys, skipped) = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
    let ids: Vec<_> = keys.iter().map(VerifyingKey::key_id).collect();
    assert_eq!(ids, good.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>());
    let named: Vec<_> =
        skipped.iter().map(|key| (key.position, key.key_id.as_deref(), key.reason)).collect();
    let again = good[0]["kid"].as_str();
    let enc = good[1]["kid"].as_str();
    assert_eq!(
        named,
        [
            (0, Some("pq"), JWK_KIND),
            (2, None, JWK_NOT_OBJECT),
            (3, None, JWK_NOT_OBJECT),
            (4, None, JWK_NOT_OBJECT),
            (5, None, JWK_NOT_OBJECT),
            (6, None, JWK_KIND),
            (7, enc, JWK_USE),
            (9, Some("leaked"), JWK_PRIVATE.on("d")),
            (10, again, JWK_REPEATED),
            (12, Some("shared"), JWK_PRIVATE.on("k")),
        ]
    );
    assert!(skipped[0].to_string().contains("pq"));
}

#[test]
fn what_is_no_set_is_an_error() {
    for bad in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[{]}", "{\"keys\":[]}x"] {
        assert_eq!(KeySet::from_jwks(bad.as_bytes()).unwrap_err(), KeySetError::Malformed, "{bad}");
    }
    let none = KeySet::from_jwks(br#"{"keys":[]}"#).unwrap_err();
    assert_eq!(none, KeySetError::NoneUsable(vec![]));
    let many = json!({ "keys": vec![json!({}); 101] }).to_string();
    let error = KeySet::from_jwks(many.as_bytes()).unwrap_err();
    assert_eq!(error, KeySetError::TooMany(101));
}

#[test]
fn private_keys_are_read_and_their_halves_belong_together() {
    // RFC 8037 appendix A.1.
    let okp = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "mine",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let read = |jwk: &Value| SigningKey::from_jwk(jwk.to_string().as_bytes());
    assert_eq!(read(&okp).unwrap().key_id(), "mine");
    let other = with(okp.clone(), "x", public(&ed25519())["x"].clone());
    assert_eq!(read(&other).unwrap_err(), JWK_HALVES);
    assert_eq!(read(&with(okp.clone(), "d", Value::Null)).unwrap_err(), JWK_MISSING.on("d"));
    assert_eq!(read(&with(okp, "key_ops", json!(["verify"]))).unwrap_err(), JWK_OPS);
    let secret = URL_SAFE_NO_PAD.encode(test_keys::secret(64));
    let oct = json!({ "kty": "oct", "k": secret, "alg": "HS512", "kid": "shared" });
    let key = read(&oct).unwrap();
    assert_eq!((key.algorithm(), key.key_id()), (Algorithm::Hs512, "shared"));
    assert_eq!(read(&with(oct, "k", json!("c2VjcmV0"))).unwrap_err(), SECRET_TOO_SHORT);
}

#[test]
fn null_and_empty_members_are_absent() {
    let key = public(&p256());
    let empty = [Value::Null, json!(""), json!([])];
    for name in ["alg", "use", "key_ops", "d", "k", "oth"] {
        for value in &empty {
            let mut changed = key.clone();
            changed[name] = value.clone();
            let read = read(&changed).unwrap_or_else(|error| panic!("{name} {value}: {error}"));
            assert_eq!(
                read.fingerprint(),
                VerifyingKey::from_jwk(key.to_string().as_bytes()).unwrap().fingerprint()
            );
        }
    }
    for value in empty {
        let mut changed = key.clone();
        changed["kid"] = value;
        let read = read(&changed).unwrap();
        assert!(!read.is_named(), "the id is the thumbprint");
    }
}

#[test]
fn a_number_is_the_same_with_and_without_zeros_at_its_beginning() {
    let decode =
        |jwk: &Value, name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let key = public(&rsa());
    let zero = |name: &str| json!(URL_SAFE_NO_PAD.encode([&[0], &decode(&key, name)[..]].concat()));
    let padded = with(with(key.clone(), "n", zero("n")), "e", zero("e"));
    assert_eq!(read(&padded).unwrap().fingerprint(), read(&key).unwrap().fingerprint());
    // One of 256 coordinates begins with a zero, which some writers omit.
    let short = std::iter::repeat_with(|| public(&p256())).find(|jwk| decode(jwk, "x")[0] == 0);
    let short = short.unwrap();
    let cut = json!(URL_SAFE_NO_PAD.encode(&decode(&short, "x")[1..]));
    let cut = with(short.clone(), "x", cut);
    assert_eq!(read(&cut).unwrap().fingerprint(), read(&short).unwrap().fingerprint());
}

#[test]
fn keys_are_found_by_id_and_algorithm_in_any_order() {
    let (rsa, ec) = (rsa(), p256());
    let [rsa, ec] = [&rsa, &ec].map(|pem| SigningKey::from_pem(pem).unwrap());
    let listed = |key: &SigningKey, algorithm: &str| {
        let jwk = with(key.verifying_key().to_jwk(), "kid", json!("1"));
        with(jwk, "alg", json!(algorithm))
    };
    let mut keys = vec![
        listed(&rsa, "RS256"),
        listed(&rsa, "PS256"),
        listed(&rsa, "RSA-OAEP"),
        listed(&ec, "ES256"),
    ];
    for _ in 0..keys.len() {
        keys.rotate_left(1);
        let (set, skipped) =
            KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        assert_eq!((set.iter().len(), skipped.len()), (3, 1));
        for (key, algorithm) in [(&rsa, Algorithm::Rs256), (&ec, Algorithm::Es256)] {
            let token = jws(key, algorithm, "1");
            assert_eq!(set.verify_jws(&token, Duration::ZERO).unwrap().key.algorithm(), algorithm);
        }
        let ps256 = SigningKey::from_pem(rsa.to_pem().unwrap().expose()).unwrap();
        let token = jws(&ps256.for_algorithm(Algorithm::Ps256).unwrap(), Algorithm::Ps256, "1");
        assert!(set.verify_jws(&token, Duration::ZERO).is_ok());
    }
}

#[test]
fn keys_that_share_id_and_algorithm_are_each_tried() {
    let keys = [(); 3].map(|()| SigningKey::generate().unwrap());
    let mut all: Vec<_> = keys.iter().map(|key| key.verifying_key().to_jwk()).collect();
    all.iter_mut().for_each(|jwk| jwk["kid"] = json!("default"));
    for _ in 0..all.len() {
        all.rotate_left(1);
        let set = json!({ "keys": all }).to_string();
        let (set, _) = KeySet::from_jwks(set.as_bytes()).unwrap();
        for key in &keys {
            let token = jws(key, Algorithm::EdDsa, "default");
            assert!(set.verify_jws(&token, Duration::ZERO).is_ok());
        }
        let foreign = jws(&SigningKey::generate().unwrap(), Algorithm::EdDsa, "default");
        assert!(set.verify_jws(&foreign, Duration::ZERO).is_err());
    }
    let crowd = vec![(); 6].into_iter().map(|()| {
        with(SigningKey::generate().unwrap().verifying_key().to_jwk(), "kid", json!("x"))
    });
    let set = json!({ "keys": crowd.collect::<Vec<_>>() }).to_string();
    let (set, skipped) = KeySet::from_jwks(set.as_bytes()).unwrap();
    assert_eq!((set.iter().len(), skipped.len()), (4, 2));
    assert_eq!(skipped[0].reason.kind(), KeyErrorKind::KeyId);
}

#[test]
fn the_operator_can_name_the_algorithms_of_an_issuer() {
    let key = SigningKey::from_pem(&rsa()).unwrap();
    let silent = with(key.verifying_key().to_jwk(), "alg", Value::Null);
    let spoken = with(with(key.verifying_key().to_jwk(), "kid", json!("2")), "alg", json!("RS256"));
    let set = json!({ "keys": [silent, spoken, public(&p256())] }).to_string();
    let allowed = [Algorithm::Ps256, Algorithm::Rs512];
    let (set, skipped) = KeySet::from_jwks_for(set.as_bytes(), &allowed).unwrap();
    assert_eq!(set.iter().map(VerifyingKey::algorithm).collect::<Vec<_>>(), allowed);
    assert!(skipped.iter().all(|key| key.reason == JWK_NOT_ALLOWED) && skipped.len() == 2);
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let set = format!("\u{feff}{}", json!({ "keys": [public(&ed25519())] }));
    assert!(KeySet::from_jwks(set.as_bytes()).is_ok());
}

/// A signature of this key over nothing, whose header names this id.
fn jws(key: &SigningKey, algorithm: Algorithm, key_id: &str) -> String {
    let header = json!({ "alg": algorithm.as_str(), "kid": key_id }).to_string();
    let signed = format!("{}.", URL_SAFE_NO_PAD.encode(header));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
