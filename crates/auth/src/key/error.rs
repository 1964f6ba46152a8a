//! Why something is no key.

use std::{error::Error, fmt};

/// Something is no key that may be used. It never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    what: &'static str,
}

impl KeyError {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for KeyError {}

pub(crate) const NOT_PEM: KeyError = KeyError::new(
    "not a PEM text; write the whole file, from -----BEGIN to -----END, with its line breaks",
);
pub(crate) const NOT_SUPPORTED: KeyError = KeyError::new(
    "not a PKCS#8 private key of RSA, P-256, P-384 or Ed25519; make one with \
     `openssl genpkey -algorithm ed25519`",
);
pub(crate) const NOT_PUBLIC: KeyError = KeyError::new(
    "neither a public key (SubjectPublicKeyInfo) nor a PKCS#8 private key of RSA, P-256, P-384 or \
     Ed25519",
);
pub(crate) const NO_RANDOMNESS: KeyError =
    KeyError::new("the system gave no randomness for a new key");
pub(crate) const SIGNING_FAILED: KeyError = KeyError::new("signing failed");
pub(crate) const HAS_NO_DOCUMENT: KeyError =
    KeyError::new("a symmetric key has no PKCS#8 form; keep the secret itself");

pub(crate) const RSA_TOO_SMALL: KeyError =
    KeyError::new("an RSA key of fewer than 2048 bits; use one of 2048 to 8192 bits, or Ed25519");
pub(crate) const RSA_TOO_LARGE: KeyError =
    KeyError::new("an RSA key of more than 8192 bits; use one of 2048 to 8192 bits, or Ed25519");
pub(crate) const RSA_EVEN: KeyError =
    KeyError::new("an RSA key with an even modulus, which is no product of two primes; replace it");
pub(crate) const RSA_EXPONENT: KeyError = KeyError::new(
    "an RSA key whose public exponent is even, below 65537 or above 33 bits; use one with 65537",
);
pub(crate) const RSA_ROCA: KeyError = KeyError::new(
    "an RSA key with the fingerprint of ROCA (CVE-2017-15361): its private key can be computed \
     from the public one; replace it",
);
pub(crate) const LOW_ORDER: KeyError =
    KeyError::new("an Ed25519 key of small order, with which anybody can sign; replace it");
pub(crate) const SECRET_TOO_SHORT: KeyError = KeyError::new(
    "a secret shorter than the algorithm's hash (RFC 7518 section 3.2); use 32 random bytes for \
     HS256, 48 for HS384 and 64 for HS512",
);
pub(crate) const SECRET_PUBLISHED: KeyError =
    KeyError::new("a secret that stands in public documentation; use random bytes");
pub(crate) const SECRET_UNIFORM: KeyError = KeyError::new(
    "a secret of fewer than 8 different bytes, which nobody drew at random; use random bytes",
);
pub(crate) const SECRET_PUBLIC_KEY: KeyError = KeyError::new(
    "a secret that is the text of a key, which others have if it is a public one; use random bytes",
);
pub(crate) const OTHER_FAMILY: KeyError = KeyError::new(
    "a key of another kind than the algorithm takes; RS and PS take RSA keys, ES256 takes P-256, \
     ES384 takes P-384, EdDSA takes Ed25519, HS takes a secret",
);
pub(crate) const BAD_KEY_ID: KeyError =
    KeyError::new("a key id that is empty, longer than 128 bytes, or has control characters");

pub(crate) const JWK_NOT_OBJECT: KeyError = KeyError::new("not a JSON object");
pub(crate) const JWK_DUPLICATE: KeyError =
    KeyError::new("a JWK with a member that stands there twice");
pub(crate) const JWK_KIND: KeyError = KeyError::new(
    "a JWK whose `kty` or `crv` is missing or unknown; RSA, EC with P-256 or P-384, and OKP with \
     Ed25519 are known",
);
pub(crate) const JWK_MEMBER: KeyError = KeyError::new(
    "a JWK with a member that is missing, has the wrong length, or is no base64url without padding",
);
pub(crate) const JWK_USE: KeyError =
    KeyError::new("a JWK that is not for signatures: its `use` is something else than `sig`");
pub(crate) const JWK_OPS: KeyError = KeyError::new(
    "a JWK whose `key_ops` do not allow this, are no list of different strings, or contradict `use`",
);
pub(crate) const JWK_ALGORITHM: KeyError =
    KeyError::new("a JWK whose `alg` is unknown, or is not one of the `kty` and `crv` beside it");
pub(crate) const JWK_PRIVATE: KeyError = KeyError::new(
    "a JWK with private members where public keys belong; if it was published, replace it",
);
pub(crate) const JWK_OFF_CURVE: KeyError = KeyError::new("a JWK whose point is not on its curve");
pub(crate) const JWK_REPEATED: KeyError =
    KeyError::new("a key with the key id of one before it; the first one is used");
