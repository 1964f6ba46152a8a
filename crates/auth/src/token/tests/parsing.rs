//! Texts of all kinds, for everything that reads what others write: nothing panics, and what is read
//! means the same to jsonwebtoken. Short runs of what the fuzz targets do at length.

use std::time::Duration;

use super::*;
use crate::{Algorithm, VerifyingKey};

/// JSON that is nearly a key, a key set, a header, or claims.
fn json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "kty",
            "crv",
            "x",
            "y",
            "n",
            "e",
            "k",
            "d",
            "kid",
            "alg",
            "use",
            "key_ops",
            "keys",
            "typ",
            "crit",
            "iss",
            "aud",
            "sub",
            "exp",
            "iat",
            "nbf",
            "jti",
            "client_id",
            "scope",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "RSA", "EC", "OKP", "oct", "P-256", "P-384", "Ed25519", "AQAB", "sig", "verify",
            "EdDSA", "RS256", "at+jwt", "",
        ])
        .prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn keys_and_key_sets_of_any_json_are_survived(value in json(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let text = value.to_string();
        for text in [text.as_bytes(), &bytes] {
            if let Ok(key) = VerifyingKey::from_jwk(text) {
                let again = VerifyingKey::from_jwk(key.to_jwk().to_string().as_bytes()).unwrap();
                prop_assert_eq!(again.fingerprint(), key.fingerprint());
            }
            drop(SigningKey::from_jwk(text));
            drop(VerifyingKey::from_der(text));
            drop(SigningKey::from_pkcs8(text));
            drop(KeySet::from_jwks(text));
        }
        let set = json!({ "keys": [value, SigningKey::generate().unwrap().verifying_key().to_jwk()] });
        let (keys, skipped) = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
        prop_assert_eq!(keys.iter().len() + skipped.len(), 2);
    }

    #[test]
    fn pem_of_any_text_is_survived(text in "(-----(BEGIN|END) (PUBLIC|PRIVATE) KEY-----|[A-Za-z0-9+/=\n]{0,40}|-|\\PC){0,8}") {
        drop(VerifyingKey::all_from_pem(&text));
        drop(SigningKey::from_pem(&text));
    }

    /// Any header and any claims, properly signed: what we accept, jsonwebtoken accepts, and it reads
    /// the same claims.
    #[test]
    fn signed_json_of_any_shape_means_the_same_to_jsonwebtoken(
        name in prop::sample::select(vec!["alg", "typ", "kid", "iss", "aud", "sub", "exp", "nbf", "x"]),
        value in json(),
        in_header in any::<bool>(),
    ) {
        let fixture = Fixture::new();
        let (mut header, mut claims) = (fixture.header(), fixture.claims());
        if in_header { header[name] = value } else { claims[name] = value }
        let token = fixture.sign(&header.to_string(), &claims.to_string());
        if let Ok(verified) = fixture.verify(&token) {
            // jsonwebtoken does not know the name of RFC 9864.
            let is_new_name = header["alg"] == "Ed25519";
            prop_assert!(is_new_name || jsonwebtoken_accepts(&fixture, &token));
            // Read from text on both sides: a float may lose its last digit on the way.
            let written: Value = serde_json::from_str(&claims.to_string()).unwrap();
            prop_assert_eq!(verified.claims_as::<Value>().unwrap(), written);
            prop_assert_eq!(Some(verified.subject()), claims["sub"].as_str());
        }
    }

    /// Bytes of any kind between two dots, through the layer below tokens.
    #[test]
    fn signed_bytes_come_out_as_they_went_in(payload in prop::collection::vec(any::<u8>(), 0..200), spoil in any::<prop::sample::Index>(), to in any::<u8>()) {
        let fixture = Fixture::new();
        let keys = KeySet::new([fixture.key.verifying_key()]).unwrap();
        let signed = format!("{}.{}", encode(r#"{"alg":"EdDSA"}"#), URL_SAFE_NO_PAD.encode(&payload));
        let signature = URL_SAFE_NO_PAD.encode(fixture.key.sign(signed.as_bytes()).unwrap());
        let text = format!("{signed}.{signature}");
        let opened = keys.verify_jws(&text, Duration::ZERO).unwrap();
        prop_assert_eq!(opened.payload.as_slice(), payload.as_slice());
        prop_assert_eq!(opened.key.algorithm(), Algorithm::EdDsa);
        let mut other = text.clone().into_bytes();
        let place = spoil.index(other.len());
        other[place] = to;
        if let Ok(other) = String::from_utf8(other) {
            prop_assert_eq!(keys.verify_jws(&other, Duration::ZERO).is_ok(), other == text);
        }
    }
}
