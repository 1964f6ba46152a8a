//! Tokens that go to jsonwebtoken and come from it.

use jsonwebtoken::{Algorithm as Theirs, DecodingKey, EncodingKey, Header, Validation, jwk::Jwk};

use super::*;
use crate::{Algorithm, VerifyingKey};

const SECRET: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ!";

/// A key pair of ours, and the same for jsonwebtoken.
fn pair(name: &str) -> (SigningKey, EncodingKey, DecodingKey) {
    let algorithm = Algorithm::from_name(name).unwrap();
    if algorithm.is_symmetric() {
        let key = SigningKey::dangerous_symmetric(algorithm, &SECRET.as_slice().into()).unwrap();
        return (key, EncodingKey::from_secret(SECRET), DecodingKey::from_secret(SECRET));
    }
    let is_rsa = name.starts_with('R') || name.starts_with('P');
    let pem = if is_rsa {
        crate::key::test_keys::rsa_pem()
    } else {
        crate::key::test_keys::pem_for(algorithm)
    };
    let ours = SigningKey::from_pem(&pem).unwrap().for_algorithm(algorithm).unwrap();
    let theirs = match &name[..2] {
        "Ed" => EncodingKey::from_ed_pem(pem.as_bytes()),
        "ES" => EncodingKey::from_ec_pem(pem.as_bytes()),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    let jwk: Jwk = serde_json::from_value(ours.verifying_key().to_jwk()).unwrap();
    (ours, theirs.unwrap(), DecodingKey::from_jwk(&jwk).unwrap())
}

#[test]
fn tokens_of_every_algorithm_are_accepted_on_both_sides() {
    for name in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
        "HS384", "HS512",
    ] {
        let theirs: Theirs = name.parse().unwrap();
        let (key, encoding, decoding) = pair(name);
        let verifying: VerifyingKey = key.verifying_key();
        let verifier =
            TokenVerifier::new(KeySet::new([verifying.clone()]).unwrap(), ISSUER, AUDIENCE);
        let issuer = TokenIssuer::new(key, ISSUER, AUDIENCE);
        let token = issuer.issue("alice", "").unwrap();

        let mut validation = Validation::new(theirs);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let read = jsonwebtoken::decode::<Value>(token.expose(), &decoding, &validation).unwrap();
        assert_eq!(read.claims["sub"], "alice", "{name}");

        let mut header = Header::new(theirs);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(verifying.key_id().to_owned());
        let written = jsonwebtoken::encode(&header, &read.claims, &encoding).unwrap();
        assert_eq!(verifier.verify(&written).unwrap().subject(), "alice", "{name}");
    }
}

#[test]
fn their_key_sets_are_read() {
    let keys = ["RS256", "ES256", "ES384"].map(|name| {
        let (_, encoding, _) = pair(name);
        let mut jwk = Jwk::from_encoding_key(&encoding, name.parse().unwrap()).unwrap();
        jwk.common.key_id = Some(name.to_owned());
        jwk
    });
    let json = serde_json::to_vec(&jsonwebtoken::jwk::JwkSet { keys: keys.to_vec() }).unwrap();
    let (read, skipped) = KeySet::from_jwks(&json).unwrap();
    assert_eq!(skipped, []);
    for name in ["RS256", "ES256", "ES384"] {
        assert_eq!(read.find(name).unwrap().algorithm().as_str(), name);
    }
}
