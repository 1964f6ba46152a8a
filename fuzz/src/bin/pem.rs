//! Any text as keys in PEM: one key is one of several, a private one has the public half that it says, and
//! each is read back as the same. A key is preferred to the certificates beside it.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use hardpoint_auth::{SigningKey, VerifyingKey};
use hardpoint_fuzz::public_key_holds;

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (all, one) = (VerifyingKey::all_from_pem(text), VerifyingKey::from_pem(text));
    let markers = text.matches("-----BEGIN ").count();
    for key in all.iter().flatten() {
        public_key_holds(key);
    }
    assert!(all.as_ref().map_or(0, Vec::len) <= markers);
    match (&all, &one) {
        (Ok(all), Ok(one)) => assert!(all.iter().any(|key| key.to_jwk() == one.to_jwk())),
        (Ok(all), Err(_)) => assert!(all.len() > 1),
        (Err(_), Ok(_)) => assert!(text.contains("CERTIFICATE-----"), "one key is a list of one"),
        (Err(_), Err(_)) => {}
    }
    if let Ok(key) = SigningKey::from_pem(text) {
        let public = key.verifying_key();
        // With a public key beside it, the text has two.
        assert!(one.map_or(markers > 1, |one| one.to_jwk() == public.to_jwk()));
        let pem = key.to_pem().expect("a private key has a document");
        let again = SigningKey::from_pem(pem.expose()).expect("our own PEM");
        assert_eq!(again.verifying_key().to_jwk(), public.to_jwk());
    }
}
