//! The public key that tokens are verified with.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rsa::PublicKey as RsaPublicKey,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pem::Pem;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, NOT_PEM, NOT_PUBLIC, RSA_TOO_SMALL, SigningKey};

/// What a SubjectPublicKeyInfo of an Ed25519 key begins with (RFC 8410); 32 bytes follow.
const ED25519_INFO: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// What a SubjectPublicKeyInfo of a P-256 key begins with (RFC 5480); a point of 65 bytes follows.
const P256_INFO: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// A public key, parsed once, for one algorithm. Clones share it.
#[derive(Clone)]
pub struct VerifyingKey {
    inner: Arc<Inner>,
}

struct Inner {
    algorithm: Algorithm,
    key_id: String,
    parsed: ParsedPublicKey,
    jwk: Value,
}

impl VerifyingKey {
    /// Reads a key in PEM: a public key (SubjectPublicKeyInfo), or a PKCS#8 private key, of which
    /// only the public half is kept.
    ///
    /// # Errors
    /// [`KeyError`] says what the text is not, without showing any of it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_block(pem::parse(text.trim()).map_err(|_| NOT_PEM)?)
    }

    /// Reads every key of a text with several PEM blocks, such as the keys before the current one.
    ///
    /// # Errors
    /// [`KeyError`] if there is none, or one of them is no key.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        let blocks = pem::parse_many(text).map_err(|_| NOT_PEM)?;
        if blocks.is_empty() {
            return Err(NOT_PEM);
        }
        blocks.into_iter().map(Self::from_block).collect()
    }

    fn from_block(block: Pem) -> Result<Self, KeyError> {
        let tag = block.tag().to_owned();
        let der: &[u8] = &Zeroizing::new(block.into_contents());
        match tag.as_str() {
            "PRIVATE KEY" => Ok(SigningKey::from_pkcs8(der)?.verifying_key()),
            "PUBLIC KEY" => match (der.strip_prefix(ED25519_INFO), der.strip_prefix(P256_INFO)) {
                (Some(raw), _) => Self::ed25519(raw),
                (_, Some(point)) => Self::p256(point),
                _ => Self::rsa(der),
            },
            _ => Err(NOT_PUBLIC),
        }
    }

    /// The algorithm that this key verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// The key id: the RFC 7638 thumbprint.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.inner.key_id
    }

    /// The key as a JSON Web Key (RFC 7517), with `kid`, `alg` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        self.inner.jwk.clone()
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.inner.parsed.verify_sig(message, signature).is_ok()
    }

    pub(super) fn ed25519(raw: &[u8]) -> Result<Self, KeyError> {
        let x = URL_SAFE_NO_PAD.encode(raw);
        let members = json!({ "crv": "Ed25519", "kty": "OKP", "x": x });
        Self::new(Algorithm::EdDsa, &ED25519, raw, members)
    }

    /// `point` is uncompressed: 4, x, y.
    pub(super) fn p256(point: &[u8]) -> Result<Self, KeyError> {
        let xy = point.strip_prefix(&[4]).ok_or(NOT_PUBLIC)?;
        let (x, y) = xy.split_at_checked(32).ok_or(NOT_PUBLIC)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let members = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y });
        Self::new(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, point, members)
    }

    pub(super) fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPublicKey::from_der(der).map_err(|_| NOT_PUBLIC)?;
        if key.modulus_len() < 256 {
            return Err(RSA_TOO_SMALL);
        }
        let e = URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero());
        let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
        let members = json!({ "e": e, "kty": "RSA", "n": n });
        Self::new(Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256, der, members)
    }

    /// `members` are those that RFC 7638 takes the thumbprint of, in the order of their names.
    fn new(
        algorithm: Algorithm,
        primitive: &'static dyn VerificationAlgorithm,
        bytes: &[u8],
        members: Value,
    ) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(primitive, bytes).map_err(|_| NOT_PUBLIC)?;
        let thumbprint = digest(&SHA256, members.to_string().as_bytes());
        let key_id = URL_SAFE_NO_PAD.encode(thumbprint);
        let mut jwk = members;
        if let Value::Object(jwk) = &mut jwk {
            jwk.insert("kid".to_owned(), key_id.clone().into());
            jwk.insert("alg".to_owned(), algorithm.as_str().into());
            jwk.insert("use".to_owned(), "sig".into());
        }
        Ok(Self { inner: Arc::new(Inner { algorithm, key_id, parsed, jwk }) })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.inner.algorithm.as_str(), self.key_id())
    }
}
