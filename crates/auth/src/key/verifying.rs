//! The key that tokens are verified with.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    hmac::{self, HMAC_SHA256},
    rsa::{PublicKey as RsaPublicKey, PublicKeyComponents},
    signature::{ED25519, ParsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use serde_json::{Map, Value, json};

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
    check: Check,
    material: Material,
}

/// What verifies.
enum Check {
    Mac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// What the key was made from and is published as.
#[derive(Clone)]
pub(super) enum Material {
    Ed25519([u8; 32]),
    /// Uncompressed: 4, x, y.
    Point(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Secret(Arc<Secret<[u8]>>),
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
        Self::read_jwk(&Jwk::parse(json)?)
    }

    pub(super) fn read_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        Self::read_jwk_as(jwk, jwk.algorithm_for(VERIFY)?)
    }

    /// The key of a JWK that is for this algorithm.
    pub(super) fn read_jwk_as(jwk: &Jwk, algorithm: Algorithm) -> Result<Self, KeyError> {
        let material = match algorithm.primitive() {
            Primitive::Ed25519 => Material::Ed25519(
                jwk.exactly("x", 32)?.as_slice().try_into().map_err(|_| JWK_MEMBER.on("x"))?,
            ),
            Primitive::Ec(..) => Material::Point(jwk.point(algorithm)?),
            Primitive::Rsa(..) => Material::Rsa {
                modulus: jwk.number("n")?.to_vec(),
                exponent: jwk.number("e")?.to_vec(),
            },
            // Its `k` is a private member; a JWK without one has no key.
            Primitive::Mac(_) => return Err(JWK_PRIVATE.on("k")),
        };
        Self::build(material, algorithm, jwk.key_id().map(str::to_owned))
    }

    /// A secret that verifies. Prefer a key pair: every verifier of a secret can also sign.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm is not HS256, HS384 or HS512, or the secret is shorter than
    /// its hash (32, 48 or 64 bytes), published, or of fewer than 8 different bytes.
    pub fn symmetric(algorithm: Algorithm, secret: Secret<[u8]>) -> Result<Self, KeyError> {
        lint::secret(algorithm, secret.expose())?;
        Self::build(Material::Secret(secret.into_shared()), algorithm, None)
    }

    /// A secret that verifies although others may know it, such as that of an example in an RFC. For
    /// tests: anyone can sign with it.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm is not HS256, HS384 or HS512.
    #[cfg(any(test, feature = "test"))]
    pub fn dangerous_symmetric(
        algorithm: Algorithm,
        secret: Secret<[u8]>,
    ) -> Result<Self, KeyError> {
        Self::build(Material::Secret(secret.into_shared()), algorithm, None)
    }

    /// The same key for another algorithm: a key has one algorithm (RFC 8725 §3.1).
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm takes another kind of key. A secret keeps its algorithm.
    pub fn for_algorithm(&self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if algorithm.is_symmetric() && algorithm != self.algorithm() {
            return Err(OTHER_FAMILY);
        }
        let key_id = self.is_named().then(|| self.inner.key_id.clone());
        Self::build(self.inner.material.clone(), algorithm, key_id)
    }

    /// The same key with another id than its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] if the id is empty, longer than 128 bytes, or contains control characters.
    pub fn named(&self, key_id: &str) -> Result<Self, KeyError> {
        if !is_key_id(key_id) {
            return Err(BAD_KEY_ID);
        }
        let Inner { material, algorithm, .. } = &*self.inner;
        Self::build(material.clone(), *algorithm, Some(key_id.to_owned()))
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
        let mut jwk = self.inner.material.members();
        jwk.insert("kid".to_owned(), self.key_id().into());
        jwk.insert("alg".to_owned(), self.algorithm().as_str().into());
        jwk.insert("use".to_owned(), "sig".into());
        Value::Object(jwk)
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
        let Check::Public(parsed) = &self.inner.check else { return Err(HAS_NO_DOCUMENT) };
        let der: PublicKeyX509Der<'_> = parsed.as_der().map_err(|_| NOT_PUBLIC)?;
        Ok(der.as_ref().to_vec())
    }

    /// Identifies the key: a hash of its algorithm, id and public members.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.inner.fingerprint
    }

    /// The length of this key's signatures, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match &self.inner.material {
            Material::Ed25519(_) => 64,
            // Two numbers; the point has a byte before its two.
            Material::Point(point) => point.len().saturating_sub(1),
            Material::Rsa { modulus, .. } => modulus.len(),
            Material::Secret(_) => self.inner.algorithm.hash_len(),
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.inner.check {
            Check::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(parsed) => parsed.verify_sig(message, signature).is_ok(),
        }
    }

    /// The code of `message` under this secret; an error for a public key.
    pub(super) fn code(&self, message: &[u8]) -> Result<hmac::Tag, Unspecified> {
        match &self.inner.check {
            Check::Mac(key) => Ok(hmac::sign(key, message)),
            Check::Public(_) => Err(Unspecified),
        }
    }

    /// A key of this kind: 32 bytes, an uncompressed point, or PKCS#1's RSAPublicKey.
    pub(super) fn from_raw(algorithm: Algorithm, raw: &[u8]) -> Result<Self, KeyError> {
        let material = match algorithm.primitive() {
            Primitive::Ed25519 => Material::Ed25519(raw.try_into().map_err(|_| NOT_PUBLIC)?),
            Primitive::Ec(..) => Material::Point(raw.to_vec()),
            Primitive::Rsa(..) => {
                let key = RsaPublicKey::from_der(raw).map_err(|_| NOT_PUBLIC)?;
                Material::Rsa {
                    modulus: key.modulus().big_endian_without_leading_zero().to_vec(),
                    exponent: key.exponent().big_endian_without_leading_zero().to_vec(),
                }
            }
            Primitive::Mac(_) => return Err(NOT_PUBLIC),
        };
        Self::build(material, algorithm, None)
    }

    fn build(
        material: Material,
        algorithm: Algorithm,
        key_id: Option<String>,
    ) -> Result<Self, KeyError> {
        let check = material.check(algorithm)?;
        let identity = material.identity();
        let is_named = key_id.is_some();
        let key_id = key_id.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(identity));
        let whole =
            [identity.as_slice(), algorithm.as_str().as_bytes(), key_id.as_bytes()].concat();
        let fingerprint = sha256(&whole);
        let inner = Inner { algorithm, key_id, is_named, fingerprint, check, material };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Material {
    fn check(&self, algorithm: Algorithm) -> Result<Check, KeyError> {
        let public = match (self, algorithm.primitive()) {
            (Self::Ed25519(raw), Primitive::Ed25519) => {
                lint::ed25519(raw)?;
                ParsedPublicKey::new(&ED25519, raw).map_err(|_| NOT_PUBLIC)?
            }
            (Self::Point(point), Primitive::Ec(curve, _))
                if point.len() == 2 * algorithm.coordinate_len() + 1 =>
            {
                ParsedPublicKey::new(curve, point).map_err(|_| JWK_OFF_CURVE)?
            }
            (Self::Rsa { modulus, exponent }, Primitive::Rsa(parameters, _)) => {
                lint::rsa(modulus, exponent)?;
                let components = PublicKeyComponents { n: modulus, e: exponent };
                components.to_parsed_public_key(parameters).map_err(|_| NOT_PUBLIC)?
            }
            (Self::Secret(secret), Primitive::Mac(hash)) => {
                return Ok(Check::Mac(Box::new(hmac::Key::new(hash, secret.expose()))));
            }
            _ => return Err(OTHER_FAMILY),
        };
        Ok(Check::Public(public))
    }

    /// The RFC 7638 thumbprint of a public key.
    fn identity(&self) -> [u8; 32] {
        let Self::Secret(secret) = self else {
            return sha256(Value::Object(self.members()).to_string().as_bytes());
        };
        let key = hmac::Key::new(HMAC_SHA256, secret.expose());
        let mut identity = [0; 32];
        identity.copy_from_slice(hmac::sign(&key, b"hardpoint key id").as_ref());
        identity
    }

    /// The public members that RFC 7638 takes the thumbprint of, in the order of their names.
    fn members(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let members = match self {
            Self::Ed25519(raw) => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(raw) }),
            Self::Point(point) => {
                let (_, xy) = point.split_at_checked(1).unwrap_or_default();
                let (x, y) = xy.split_at_checked(xy.len() / 2).unwrap_or_default();
                let curve = if point.len() == 65 { "P-256" } else { "P-384" };
                json!({ "crv": curve, "kty": "EC", "x": text(x), "y": text(y) })
            }
            Self::Rsa { modulus, exponent } => {
                json!({ "e": text(exponent), "kty": "RSA", "n": text(modulus) })
            }
            Self::Secret(_) => json!({ "kty": "oct" }),
        };
        if let Value::Object(members) = members { members } else { Map::new() }
    }
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
