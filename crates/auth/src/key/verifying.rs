//! The key that tokens are verified with.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    hmac::{self, HMAC_SHA256},
    rsa::{PublicKey as RsaPublicKey, PublicKeyComponents},
    signature::{ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use serde_json::{Value, json};

use super::{
    Algorithm, SigningKey,
    algorithm::Primitive,
    container::{self, Block, Form},
    error::*,
    jwk::{Jwk, VERIFY, is_key_id},
    lint,
};

/// A key that verifies, parsed once, for one algorithm. Clones share it.
///
/// Keys that are known to be weak are refused when they are read: RSA below 2048 bits, with a bad
/// exponent, or with the fingerprint of ROCA; points that are not on their curve or of small order;
/// secrets that are short or published.
#[derive(Clone)]
pub struct VerifyingKey {
    inner: Arc<Inner>,
}

struct Inner {
    algorithm: Algorithm,
    key_id: String,
    /// Whether the id was given, rather than derived from the key.
    is_named: bool,
    fingerprint: [u8; 32],
    material: Material,
}

/// What a key has under every id.
#[derive(Clone)]
struct Material {
    check: Check,
    /// The length of a signature, in bytes.
    signature_len: usize,
    /// The RFC 7638 thumbprint of a public key.
    identity: [u8; 32],
    /// The public members that RFC 7638 takes the thumbprint of.
    members: Value,
}

/// What verifies.
#[derive(Clone)]
enum Check {
    Mac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl VerifyingKey {
    /// Reads a key in PEM: a public key (SubjectPublicKeyInfo, or PKCS#1 for RSA), a certificate, or
    /// a private key, whose public half is kept. A key is preferred to the certificates beside it.
    ///
    /// Of a certificate only the key is read: its period of validity and its issuer are not checked,
    /// since naming the file is what makes the key trusted.
    ///
    /// The algorithm identifier in the container decides what the key is for. An RSA key gets RS256:
    /// see [`for_algorithm`](Self::for_algorithm). A key that is restricted to RSASSA-PSS is
    /// refused, because a JWS library that reads it as RS256 ignores the restriction
    /// (CVE-2022-23539).
    ///
    /// # Errors
    /// [`KeyError`] names the kind of text, without showing any of it, and how to convert it.
    /// An encrypted key and a chain of certificates are refused.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_block(&container::block(text)?)
    }

    /// Reads every key of a text with several PEM blocks, such as previous keys.
    ///
    /// # Errors
    /// [`KeyError`] if the text has no block, or one of them is not a key or a certificate.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        container::blocks(text)?.iter().map(Self::from_block).collect()
    }

    fn from_block(block: &Block) -> Result<Self, KeyError> {
        match block.form {
            Form::Public => Self::from_der(&block.der),
            Form::Certificate => {
                let (algorithm, key) = container::certified(&block.der)?;
                Self::from_raw(algorithm, key)
            }
            _ => Ok(SigningKey::from_block(block)?.verifying_key()),
        }
    }

    /// Reads a public key in DER: a SubjectPublicKeyInfo, or PKCS#1's RSAPublicKey.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, key) = container::public(der)?;
        Self::from_raw(algorithm, key)
    }

    /// Reads a public JSON Web Key (RFC 7517). The key has the `kid` and `alg` of the JWK; without
    /// `kid` its id is the thumbprint, without `alg` an RSA key gets RS256.
    ///
    /// # Errors
    /// [`KeyError`] if the JWK is of an unknown kind, private, not for verifying (`use`, `key_ops`),
    /// contradicts itself, has a duplicate member, or is weak.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        Self::read_jwk(&jwk, jwk.algorithm_for(VERIFY)?)
    }

    /// The key of a JWK that is for this algorithm.
    pub(super) fn read_jwk(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, KeyError> {
        let key = match algorithm.primitive() {
            Primitive::Ed25519 => Self::from_raw(algorithm, &jwk.exactly("x", 32)?)?,
            Primitive::Ec(..) => Self::from_raw(algorithm, &jwk.point(algorithm)?)?,
            Primitive::Rsa(..) => {
                Self::rsa(&jwk.number("n")?, &jwk.number("e")?)?.for_algorithm(algorithm)?
            }
            // Its `k` is a private member; a JWK without one has no key.
            Primitive::Mac(_) => return Err(JWK_PRIVATE.on("k")),
        };
        if let Some(id) = jwk.key_id() { key.named(id) } else { Ok(key) }
    }

    /// A secret that verifies. Prefer a key pair: every verifier of a secret can also sign.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm is not HS256, HS384 or HS512, or the secret is shorter than
    /// its hash (32, 48 or 64 bytes), published, or of fewer than 8 different bytes.
    pub fn symmetric(algorithm: Algorithm, secret: &Secret<[u8]>) -> Result<Self, KeyError> {
        lint::secret(algorithm, secret.expose())?;
        Self::from_secret(algorithm, secret.expose())
    }

    /// A secret that verifies although others may know it, such as that of an example in an RFC. For
    /// tests: anyone can sign with it.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm is not HS256, HS384 or HS512.
    #[cfg(any(test, feature = "test"))]
    pub fn dangerous_symmetric(
        algorithm: Algorithm,
        secret: &Secret<[u8]>,
    ) -> Result<Self, KeyError> {
        Self::from_secret(algorithm, secret.expose())
    }

    /// The same key for another algorithm: a key has one algorithm (RFC 8725 §3.1).
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm takes another kind of key. A secret keeps its algorithm.
    pub fn for_algorithm(&self, algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut material = self.inner.material.clone();
        match (&mut material.check, algorithm.primitive()) {
            _ if algorithm == self.algorithm() => {}
            (Check::Public(key), Primitive::Rsa(parameters, _))
                if algorithm.kind() == self.algorithm().kind() =>
            {
                *key = ParsedPublicKey::new(parameters, &*key).map_err(|_| NOT_PUBLIC)?;
            }
            _ => return Err(OTHER_FAMILY),
        }
        Ok(Self::build(algorithm, self.is_named().then(|| self.key_id()), material))
    }

    /// The same key with another id than its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] if the id is empty, longer than 128 bytes, or contains control characters.
    pub fn named(&self, key_id: &str) -> Result<Self, KeyError> {
        if !is_key_id(key_id) {
            return Err(BAD_KEY_ID);
        }
        Ok(Self::build(self.algorithm(), Some(key_id), self.inner.material.clone()))
    }

    /// The algorithm of this key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// The key id: by default the RFC 7638 thumbprint. That of a secret is an HMAC of a constant,
    /// which reveals nothing about the secret.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.inner.key_id
    }

    /// Whether the key has an id that was given to it. A default id is not one that the issuer knows, so
    /// a token with another id may be of this key.
    pub(crate) fn is_named(&self) -> bool {
        self.inner.is_named
    }

    /// The key as a JSON Web Key (RFC 7517), with `kid`, `alg` and `use`. A secret's has no `k`.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.inner.material.members.clone();
        jwk["kid"] = self.key_id().into();
        jwk["alg"] = self.algorithm().as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The key as a SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`KeyError`] for a secret, which has none.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        Ok(container::to_pem("PUBLIC KEY", &self.to_der()?).to_string())
    }

    /// The key as a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError`] for a secret, which has none.
    pub fn to_der(&self) -> Result<Vec<u8>, KeyError> {
        let Check::Public(parsed) = &self.inner.material.check else { return Err(HAS_NO_DOCUMENT) };
        let der: PublicKeyX509Der<'_> = parsed.as_der().map_err(|_| NOT_PUBLIC)?;
        Ok(der.as_ref().to_vec())
    }

    /// Identifies the key: a hash of its algorithm, id and public members.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.inner.fingerprint
    }

    /// The length of this key's signatures, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        self.inner.material.signature_len
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.inner.material.check {
            Check::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(parsed) => parsed.verify_sig(message, signature).is_ok(),
        }
    }

    /// The code of `message` under this secret; an error for a public key.
    pub(super) fn code(&self, message: &[u8]) -> Result<hmac::Tag, Unspecified> {
        match &self.inner.material.check {
            Check::Mac(key) => Ok(hmac::sign(key, message)),
            Check::Public(_) => Err(Unspecified),
        }
    }

    /// A key of this kind: 32 bytes, an uncompressed point, or PKCS#1's RSAPublicKey.
    pub(super) fn from_raw(kind: Algorithm, raw: &[u8]) -> Result<Self, KeyError> {
        let half = kind.coordinate_len();
        let (parsed, members) = match (kind.primitive(), raw) {
            (Primitive::Ed25519, raw) => {
                lint::ed25519(raw.try_into().map_err(|_| NOT_PUBLIC)?)?;
                let parsed = ParsedPublicKey::new(&ED25519, raw).map_err(|_| NOT_PUBLIC)?;
                (parsed, json!({ "crv": "Ed25519", "kty": "OKP", "x": encoded(raw) }))
            }
            (Primitive::Ec(curve, _), [_, xy @ ..]) if xy.len() == 2 * half => {
                let parsed = ParsedPublicKey::new(curve, raw).map_err(|_| JWK_OFF_CURVE)?;
                let name = if half == 32 { "P-256" } else { "P-384" };
                let (x, y) = xy.split_at(half);
                (parsed, json!({ "crv": name, "kty": "EC", "x": encoded(x), "y": encoded(y) }))
            }
            (Primitive::Rsa(..), raw) => {
                let key = RsaPublicKey::from_der(raw).map_err(|_| NOT_PUBLIC)?;
                let modulus = key.modulus().big_endian_without_leading_zero();
                return Self::rsa(modulus, key.exponent().big_endian_without_leading_zero());
            }
            _ => return Err(NOT_PUBLIC),
        };
        Ok(Self::build(kind, None, Material::public(parsed, members, 2 * half)))
    }

    /// A key for RS256 with these numbers, which begin with no zero.
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        lint::rsa(modulus, exponent)?;
        let components = PublicKeyComponents { n: modulus, e: exponent };
        let parsed = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        let members = json!({ "e": encoded(exponent), "kty": "RSA", "n": encoded(modulus) });
        let material = Material::public(parsed.map_err(|_| NOT_PUBLIC)?, members, modulus.len());
        Ok(Self::build(Algorithm::Rs256, None, material))
    }

    fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let Primitive::Mac(hash) = algorithm.primitive() else { return Err(OTHER_FAMILY) };
        let key = hmac::Key::new(HMAC_SHA256, secret);
        let mut identity = [0; 32];
        identity.copy_from_slice(hmac::sign(&key, b"hardpoint key id").as_ref());
        let material = Material {
            check: Check::Mac(Box::new(hmac::Key::new(hash, secret))),
            signature_len: algorithm.hash_len(),
            identity,
            members: json!({ "kty": "oct" }),
        };
        Ok(Self::build(algorithm, None, material))
    }

    fn build(algorithm: Algorithm, key_id: Option<&str>, material: Material) -> Self {
        let identity = material.identity;
        let is_named = key_id.is_some();
        let key_id = key_id.map_or_else(|| encoded(&identity), str::to_owned);
        let whole = [&identity, algorithm.as_str().as_bytes(), key_id.as_bytes()].concat();
        let fingerprint = sha256(&whole);
        Self { inner: Arc::new(Inner { algorithm, key_id, is_named, fingerprint, material }) }
    }
}

impl Material {
    fn public(parsed: ParsedPublicKey, members: Value, signature_len: usize) -> Self {
        let identity = sha256(members.to_string().as_bytes());
        Self { check: Check::Public(parsed), signature_len, identity, members }
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.inner.algorithm, self.key_id())
    }
}
