//! The public key that tokens are verified with.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rsa::{PublicKey as RsaPublicKey, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
        RsaParameters,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use serde_json::{Map, Value, json};

use super::{
    Algorithm, KeyError, SigningKey,
    algorithm::Family,
    error::{BAD_KEY_ID, HAS_NO_DOCUMENT, JWK_OFF_CURVE, NOT_PUBLIC, OTHER_FAMILY},
    jwk::{Described, Jwk, Purpose, is_key_id},
    lint, pem,
};

/// What a SubjectPublicKeyInfo of an Ed25519 key begins with (RFC 8410); 32 bytes follow.
const ED25519_INFO: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// What one of a P-256 key begins with (RFC 5480); a point of 65 bytes follows.
const P256_INFO: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// What one of a P-384 key begins with; a point of 97 bytes follows.
const P384_INFO: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";

/// A key that verifies, parsed once, for one algorithm. Clones share it.
///
/// Keys that are known to be weak are refused when they are read: RSA below 2048 bits, with a bad
/// exponent, or with the fingerprint of ROCA, points that are not on their curve or of small order,
/// and secrets that are short or published.
#[derive(Clone)]
pub struct VerifyingKey {
    inner: Arc<Inner>,
}

struct Inner {
    algorithm: Algorithm,
    key_id: String,
    fingerprint: [u8; 32],
    check: Check,
    material: Material,
}

/// What verifies.
enum Check {
    Mac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// What the key was made of, and is published as.
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
    /// Reads a key in PEM: a public key (SubjectPublicKeyInfo), or a PKCS#8 private key, of which
    /// only the public half is kept. An RSA key is one of RS256: see
    /// [`for_algorithm`](Self::for_algorithm).
    ///
    /// # Errors
    /// [`KeyError`] says what the text is not, without showing any of it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_block(&pem::block(text)?)
    }

    /// Reads every key of a text with several PEM blocks, such as the keys before the current one.
    ///
    /// # Errors
    /// [`KeyError`] if there is none, or one of them is no key.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        pem::blocks(text)?.iter().map(Self::from_block).collect()
    }

    fn from_block(block: &pem::Block) -> Result<Self, KeyError> {
        match block.tag.as_str() {
            "PRIVATE KEY" => Ok(SigningKey::from_pkcs8(&block.der)?.verifying_key()),
            "PUBLIC KEY" => Self::from_der(&block.der),
            _ => Err(NOT_PUBLIC),
        }
    }

    /// Reads a public key in DER (SubjectPublicKeyInfo; of RSA also PKCS#1's RSAPublicKey). An RSA key is one of RS256: see
    /// [`for_algorithm`](Self::for_algorithm).
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Some(raw) = der.strip_prefix(ED25519_INFO) {
            return Self::ed25519(raw);
        }
        if let Some(point) = der.strip_prefix(P256_INFO) {
            return Self::point(Algorithm::Es256, point);
        }
        if let Some(point) = der.strip_prefix(P384_INFO) {
            return Self::point(Algorithm::Es384, point);
        }
        Self::rsa(der)
    }

    /// Reads a public JSON Web Key (RFC 7517).
    ///
    /// Its `kid` is kept; without one the key is called by its thumbprint. Its `alg` is the one
    /// algorithm of the key; without one an RSA key is one of RS256.
    ///
    /// # Errors
    /// [`KeyError`] if it is of an unknown kind, is not for verifying (`use`, `key_ops`), contradicts
    /// itself, has a private member or a member twice, or is weak.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        Self::of_jwk(&Jwk::parse(json)?)
    }

    pub(super) fn of_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let Described { family, algorithm, key_id } = jwk.describe(Purpose::Verify)?;
        let material = Material::of_jwk(jwk, family)?;
        Self::build(material, algorithm, key_id)
    }

    /// A secret that is shared with whoever signs. Prefer a key pair: with this, everybody who can
    /// verify a token can make one.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm is none of HS256, HS384 and HS512, or the secret is shorter than
    /// its hash (32, 48 or 64 bytes), published, or of fewer than 8 different bytes.
    pub fn symmetric(algorithm: Algorithm, secret: Secret<[u8]>) -> Result<Self, KeyError> {
        lint::secret(algorithm, secret.expose())?;
        Self::build(Material::Secret(secret.into_shared()), algorithm, None)
    }

    /// The same key for another algorithm: one algorithm a key (RFC 8725 §3.1).
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm takes another kind of key.
    pub fn for_algorithm(&self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if let Material::Secret(secret) = &self.inner.material {
            lint::secret(algorithm, secret.expose())?;
        }
        let renamed = self.inner.key_id.clone();
        let key_id = (!self.inner.material.is_secret()).then_some(renamed);
        Self::build(self.inner.material.clone(), algorithm, key_id)
    }

    /// The same key under another id than its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] if the id is empty, longer than 128 bytes, or has control characters.
    pub fn named(&self, key_id: &str) -> Result<Self, KeyError> {
        if !is_key_id(key_id) {
            return Err(BAD_KEY_ID);
        }
        let material = self.inner.material.clone();
        Self::build(material, self.inner.algorithm, Some(key_id.to_owned()))
    }

    /// The algorithm that this key verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// The key id: the RFC 7638 thumbprint unless it was given another one. That of a secret is an
    /// HMAC of a constant, which tells nothing about it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.inner.key_id
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
        Ok(pem::encode("PUBLIC KEY", &self.to_der()?).to_string())
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

    /// What makes this key the one it is: algorithm, id and public members.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.inner.fingerprint
    }

    /// How long a signature of this key is, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match (&self.inner.material, self.inner.algorithm) {
            (Material::Rsa { modulus, .. }, _) => modulus.len(),
            (_, Algorithm::Es384) => 96,
            (_, Algorithm::Hs256) => 32,
            (_, Algorithm::Hs384) => 48,
            _ => 64,
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.inner.check {
            Check::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(parsed) => parsed.verify_sig(message, signature).is_ok(),
        }
    }

    pub(super) fn ed25519(raw: &[u8]) -> Result<Self, KeyError> {
        let raw = raw.try_into().map_err(|_| NOT_PUBLIC)?;
        Self::build(Material::Ed25519(raw), Algorithm::EdDsa, None)
    }

    /// `point` is uncompressed: 4, x, y.
    pub(super) fn point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        Self::build(Material::Point(point.to_vec()), algorithm, None)
    }

    pub(super) fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        if !lint::is_whole(der) {
            return Err(NOT_PUBLIC);
        }
        let key = RsaPublicKey::from_der(der).map_err(|_| NOT_PUBLIC)?;
        let material = Material::Rsa {
            modulus: key.modulus().big_endian_without_leading_zero().to_vec(),
            exponent: key.exponent().big_endian_without_leading_zero().to_vec(),
        };
        Self::build(material, Algorithm::Rs256, None)
    }

    pub(super) fn build(
        material: Material,
        algorithm: Algorithm,
        key_id: Option<String>,
    ) -> Result<Self, KeyError> {
        let check = material.check(algorithm)?;
        let identity = material.identity();
        let key_id = key_id.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(identity));
        let whole =
            [identity.as_slice(), algorithm.as_str().as_bytes(), key_id.as_bytes()].concat();
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, &whole).as_ref());
        Ok(Self { inner: Arc::new(Inner { algorithm, key_id, fingerprint, check, material }) })
    }
}

impl Material {
    fn of_jwk(jwk: &Jwk, family: Family) -> Result<Self, KeyError> {
        let point = |length| {
            let (x, y) = (jwk.exactly("x", length)?, jwk.exactly("y", length)?);
            Ok(Self::Point([&[4], x.as_slice(), y.as_slice()].concat()))
        };
        match family {
            Family::Ed25519 => {
                let x = jwk.exactly("x", 32)?;
                x.as_slice().try_into().map(Self::Ed25519).map_err(|_| NOT_PUBLIC)
            }
            Family::P256 => point(32),
            Family::P384 => point(48),
            Family::Rsa => Ok(Self::Rsa {
                modulus: jwk.number("n")?.to_vec(),
                exponent: jwk.number("e")?.to_vec(),
            }),
            // Its `k` is a private member, so it does not come here.
            Family::Secret => Err(NOT_PUBLIC),
        }
    }

    const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    fn check(&self, algorithm: Algorithm) -> Result<Check, KeyError> {
        let public = match (self, algorithm.family()) {
            (Self::Ed25519(raw), Family::Ed25519) => {
                lint::ed25519(raw)?;
                ParsedPublicKey::new(&ED25519, raw).map_err(|_| NOT_PUBLIC)?
            }
            (Self::Point(point), Family::P256) if point.len() == 65 => {
                let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                parsed.map_err(|_| JWK_OFF_CURVE)?
            }
            (Self::Point(point), Family::P384) if point.len() == 97 => {
                let parsed = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
                parsed.map_err(|_| JWK_OFF_CURVE)?
            }
            (Self::Rsa { modulus, exponent }, Family::Rsa) => {
                lint::rsa(modulus, exponent)?;
                let components = PublicKeyComponents { n: modulus, e: exponent };
                let parsed = components.to_parsed_public_key(rsa_parameters(algorithm));
                parsed.map_err(|_| NOT_PUBLIC)?
            }
            (Self::Secret(secret), Family::Secret) => {
                return Ok(Check::Mac(Box::new(hmac::Key::new(
                    hmac_of(algorithm),
                    secret.expose(),
                ))));
            }
            _ => return Err(OTHER_FAMILY),
        };
        Ok(Check::Public(public))
    }

    /// The RFC 7638 thumbprint of a public key.
    fn identity(&self) -> [u8; 32] {
        let mut identity = [0; 32];
        if let Self::Secret(secret) = self {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
            identity.copy_from_slice(hmac::sign(&key, b"hardpoint key id").as_ref());
        } else {
            let members = Value::Object(self.members()).to_string();
            identity.copy_from_slice(digest(&SHA256, members.as_bytes()).as_ref());
        }
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

const fn rsa_parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

pub(super) const fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {:?})", self.inner.algorithm.as_str(), self.key_id())
    }
}
