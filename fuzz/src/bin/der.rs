//! Any bytes as a key in DER: what is read is read back as the same key, is the same in PEM, and ends where
//! its document ends.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use base64::{Engine, engine::general_purpose::STANDARD};
use hardpoint_auth::{SigningKey, VerifyingKey};
use hardpoint_fuzz::public_key_holds;

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let public = VerifyingKey::from_der(data);
    if let Ok(key) = &public {
        public_key_holds(key);
        assert!(VerifyingKey::from_der(&[data, &[0]].concat()).is_err());
    }
    let of_pem = VerifyingKey::from_pem(&pem("PUBLIC KEY", data)).map(|key| key.to_jwk());
    assert_eq!(of_pem, public.map(|key| key.to_jwk()));

    let private = SigningKey::from_pkcs8(data).map(|key| {
        let public = key.verifying_key();
        public_key_holds(&public);
        assert!(SigningKey::from_pkcs8(&[data, &[0]].concat()).is_err());
        let pem = key.to_pem().expect("a private key has a document");
        let again = SigningKey::from_pem(pem.expose()).expect("our own PEM");
        assert_eq!(again.verifying_key().to_jwk(), public.to_jwk());
        public.to_jwk()
    });
    let text = pem("PRIVATE KEY", data);
    assert_eq!(SigningKey::from_pem(&text).map(|key| key.verifying_key().to_jwk()), private);
    assert_eq!(VerifyingKey::from_pem(&text).map(|key| key.to_jwk()), private);
}

fn pem(tag: &str, der: &[u8]) -> String {
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", STANDARD.encode(der))
}
