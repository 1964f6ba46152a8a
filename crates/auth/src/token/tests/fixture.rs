//! An issuer, its verifier, and tokens that differ from a good one in one thing.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::{Clock, ManualClock};
use serde_json::{Value, json};

use crate::{KeySet, SigningKey, TokenVerifier, VerifiedToken, VerifyErrorKind, key::test_keys};

pub(super) const ISSUER: &str = "https://id.example";
pub(super) const AUDIENCE: &str = "api";

/// An RSA key takes a second to find in a build without optimisations.
pub(super) static RSA: LazyLock<String> = LazyLock::new(test_keys::rsa_pem);

/// An issuer's key, and the verifier that trusts it.
pub(super) struct Fixture {
    pub(super) key: SigningKey,
    pub(super) clock: ManualClock,
    pub(super) verifier: TokenVerifier,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let key = SigningKey::generate().unwrap();
        // A given id is compared; a default one is not.
        let id = key.key_id().to_owned();
        let key = key.named(&id).unwrap();
        let clock = ManualClock::default();
        let keys = KeySet::new([key.verifying_key()]).unwrap();
        let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(clock.clone());
        Self { key, clock, verifier }
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.key.key_id() })
    }

    pub(super) fn claims(&self) -> Value {
        let now = self.clock.unix().as_secs();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "jti": "1",
            "iat": now, "exp": now + 600, "scope": "notes:read",
        })
    }

    pub(super) fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The answer to a token with one member of its header changed; `Value::Null` removes it.
    pub(super) fn with_header(
        &self,
        name: &str,
        value: Value,
    ) -> Result<VerifiedToken, VerifyErrorKind> {
        let header = changed(self.header(), name, value).to_string();
        self.verify(&self.sign(&header, &self.claims().to_string()))
    }

    pub(super) fn with_claim(
        &self,
        name: &str,
        value: Value,
    ) -> Result<VerifiedToken, VerifyErrorKind> {
        let claims = changed(self.claims(), name, value).to_string();
        self.verify(&self.sign(&self.header().to_string(), &claims))
    }

    pub(super) fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyErrorKind> {
        self.verifier.verify(token).map_err(|error| error.kind())
    }
}

pub(super) fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn changed(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

#[track_caller]
pub(super) fn refused(answer: Result<VerifiedToken, VerifyErrorKind>, expected: VerifyErrorKind) {
    assert_eq!(answer.map(|_| ()), Err(expected));
}
