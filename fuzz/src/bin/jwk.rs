//! Any bytes as a JSON Web Key: what is read is read back as the same key, a private one is never taken
//! for a public one, and one that signs signs what its public half verifies.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use hardpoint_auth::{Algorithm, KeySet, SigningKey, TokenIssuer, TokenVerifier, VerifyingKey};
use hardpoint_core::ManualClock;
use hardpoint_fuzz::{is_object_without_repetition, public_key_holds};

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let public = VerifyingKey::from_jwk(data);
    if let Ok(key) = &public {
        assert!(is_object_without_repetition(data));
        public_key_holds(key);
    }
    let Ok(key) = SigningKey::from_jwk(data) else { return };
    assert!(is_object_without_repetition(data) && public.is_err());
    let verifying = key.verifying_key();
    assert_eq!((verifying.key_id(), verifying.algorithm()), (key.key_id(), key.algorithm()));
    if matches!(key.algorithm(), Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512) {
        assert!(key.to_pem().is_err() && verifying.to_jwk().get("k").is_none());
    } else {
        public_key_holds(&verifying);
        let pem = key.to_pem().expect("a private key has a document");
        let again = SigningKey::from_pem(pem.expose()).expect("our own PEM").verifying_key();
        assert_eq!(again.to_der(), verifying.to_der());
    }
    let keys = KeySet::new([verifying]).expect("one key");
    let clock = ManualClock::default();
    let issuer = TokenIssuer::builder(key).issuer("https://issuer.example").audience("api");
    let issuer = issuer.time(&clock).build().expect("an issuer and an audience");
    let token = issuer.token("alice").sign().expect("a key that was read signs");
    let verifier = TokenVerifier::builder().issuer("https://issuer.example", keys).audience("api");
    let verifier = verifier.time(&clock).build().expect("an issuer and an audience");
    assert!(verifier.verify(token.expose()).is_ok());
}
