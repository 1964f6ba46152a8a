//! The private key that tokens are signed with.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeyPairComponents, KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use hardpoint_core::Secret;
use zeroize::Zeroizing;

use super::{
    Algorithm, KeyError, VerifyingKey,
    algorithm::Family,
    error::{
        HAS_NO_DOCUMENT, JWK_MEMBER, NO_RANDOMNESS, NOT_SUPPORTED, OTHER_FAMILY, RSA_TOO_SMALL,
        SIGNING_FAILED,
    },
    jwk::{Described, Jwk, Purpose},
    lint, pem,
    verifying::hmac_of,
};

/// A private key for one algorithm. `Debug` shows the key id alone.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    Secret(Box<hmac::Key>),
}

impl SigningKey {
    /// A new Ed25519 key that exists in this process alone: tokens signed with it end with it.
    ///
    /// # Errors
    /// [`KeyError`] if the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        Self::of(Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| NO_RANDOMNESS)?))
    }

    /// A new key for `algorithm` that exists in this process alone, unless the text of
    /// [`to_pem`](Self::to_pem) is kept. RSA keys have 2048 bits, which may take a second to find.
    /// Secrets are as long as the algorithm's hash, and have no such text: one to be kept is drawn by
    /// whoever keeps it, and read with [`symmetric`](Self::symmetric).
    ///
    /// # Errors
    /// [`KeyError`] if the system gives no randomness.
    pub fn generate_for(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm.family() {
            Family::Ed25519 => return Self::generate(),
            Family::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec),
            Family::P384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Pair::Ec),
            Family::Rsa => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa(Box::new(pair)))
            }
            Family::Secret => {
                let mut secret = Zeroizing::new(vec![0; lint::secret_len(algorithm)]);
                getrandom::fill(&mut secret).map_err(|_| NO_RANDOMNESS)?;
                return Self::symmetric(algorithm, secret.as_slice().into());
            }
        };
        Self::of(pair.map_err(|_| NO_RANDOMNESS)?)?.for_algorithm(algorithm)
    }

    /// A new Ed25519 key as PEM, to be kept where secrets are kept.
    ///
    /// # Errors
    /// [`KeyError`] if the system gives no randomness.
    pub fn generate_pem() -> Result<Secret<str>, KeyError> {
        Self::generate()?.to_pem()
    }

    /// Reads a PKCS#8 private key in PEM: RSA of 2048 to 8192 bits, P-256, P-384, or Ed25519. An RSA
    /// key is one of RS256: see [`for_algorithm`](Self::for_algorithm).
    ///
    /// # Errors
    /// [`KeyError`] says what the text is not, without showing any of it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::block(text)?;
        if block.tag != "PRIVATE KEY" {
            return Err(NOT_SUPPORTED);
        }
        Self::from_pkcs8(&block.der)
    }

    /// Reads a PKCS#8 private key in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if !lint::is_whole(der) {
            return Err(NOT_SUPPORTED);
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Self::of(Pair::Ed25519(pair));
        }
        for curve in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING] {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve, der) {
                return Self::of(Pair::Ec(pair));
            }
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| NOT_SUPPORTED)?;
        if pair.public_modulus_len() < 256 {
            return Err(RSA_TOO_SMALL);
        }
        Self::of(Pair::Rsa(Box::new(pair)))
    }

    /// Reads a private JSON Web Key (RFC 7517); of kind `oct`, a secret. `kid` and `alg` are kept as
    /// [`VerifyingKey::from_jwk`] does.
    ///
    /// # Errors
    /// [`KeyError`] if it is of an unknown kind, is not for signing (`use`, `key_ops`), contradicts
    /// itself, has a member twice, is weak, or its halves do not belong together.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        let Described { family, algorithm, key_id } = jwk.describe(Purpose::Sign)?;
        let key = match family {
            Family::Ed25519 => {
                let (d, x) = (jwk.exactly("d", 32)?, jwk.exactly("x", 32)?);
                let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &x);
                Self::of(Pair::Ed25519(pair.map_err(|_| JWK_MEMBER)?))
            }
            Family::P256 => Self::ec_of_jwk(&jwk, Algorithm::Es256, 32),
            Family::P384 => Self::ec_of_jwk(&jwk, Algorithm::Es384, 48),
            Family::Rsa => Self::rsa_of_jwk(&jwk),
            Family::Secret => Self::symmetric(algorithm, jwk.bytes("k")?.as_slice().into()),
        }?;
        let key = key.for_algorithm(algorithm)?;
        match key_id {
            Some(key_id) => key.named(&key_id),
            None => Ok(key),
        }
    }

    fn ec_of_jwk(jwk: &Jwk, algorithm: Algorithm, length: usize) -> Result<Self, KeyError> {
        let (x, y) = (jwk.exactly("x", length)?, jwk.exactly("y", length)?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let curve = match algorithm {
            Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        let private = jwk.exactly("d", length)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &private, &point);
        Self::of(Pair::Ec(pair.map_err(|_| JWK_MEMBER)?))
    }

    fn rsa_of_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let number = |name| jwk.number(name);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: number("n")?, e: number("e")? },
            d: number("d")?,
            p: number("p")?,
            q: number("q")?,
            dP: number("dp")?,
            dQ: number("dq")?,
            qInv: number("qi")?,
        };
        let components = borrowed(&components);
        let pair = RsaKeyPair::from_components(&components).map_err(|_| JWK_MEMBER)?;
        Self::of(Pair::Rsa(Box::new(pair)))
    }

    /// A secret that signs and verifies. Prefer a key pair: with this, everybody who can verify a
    /// token can make one.
    ///
    /// # Errors
    /// As [`VerifyingKey::symmetric`].
    pub fn symmetric(algorithm: Algorithm, secret: Secret<[u8]>) -> Result<Self, KeyError> {
        let key = hmac::Key::new(hmac_of(algorithm), secret.expose());
        let public = VerifyingKey::symmetric(algorithm, secret)?;
        Ok(Self { pair: Pair::Secret(Box::new(key)), public })
    }

    fn of(pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ed25519(pair) => VerifyingKey::ed25519(pair.public_key().as_ref()),
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let is_p256 = point.len() == 65;
                let algorithm = if is_p256 { Algorithm::Es256 } else { Algorithm::Es384 };
                VerifyingKey::point(algorithm, point)
            }
            Pair::Rsa(pair) => VerifyingKey::rsa(pair.public_key().as_ref()),
            // Secrets are made with both halves at once.
            Pair::Secret(_) => Err(NOT_SUPPORTED),
        }?;
        Ok(Self { pair, public })
    }

    /// The same key for another algorithm, such as PS256 for an RSA key.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm takes another kind of key. A secret keeps the algorithm that it
    /// was made for.
    pub fn for_algorithm(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if algorithm == self.algorithm() {
            return Ok(self);
        }
        if algorithm.is_symmetric() {
            return Err(OTHER_FAMILY);
        }
        Ok(Self { public: self.public.for_algorithm(algorithm)?, pair: self.pair })
    }

    /// The same key under another id than its thumbprint.
    ///
    /// # Errors
    /// As [`VerifyingKey::named`].
    pub fn named(self, key_id: &str) -> Result<Self, KeyError> {
        Ok(Self { public: self.public.named(key_id)?, pair: self.pair })
    }

    /// The algorithm that this key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The key id: the RFC 7638 thumbprint of the public key, unless it was given another one.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.public.key_id()
    }

    /// The half that verifies.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// The key as PKCS#8 in PEM, to be kept where secrets are kept.
    ///
    /// # Errors
    /// [`KeyError`] for a secret, which has no such form.
    pub fn to_pem(&self) -> Result<Secret<str>, KeyError> {
        const TAG: &str = "PRIVATE KEY";

        // The documents of the primitives are wiped when they are dropped, and so is the text.
        let text = match &self.pair {
            Pair::Ed25519(pair) => {
                pair.to_pkcs8v1().map(|document| pem::encode(TAG, document.as_ref()))
            }
            Pair::Ec(pair) => pair.to_pkcs8v1().map(|document| pem::encode(TAG, document.as_ref())),
            Pair::Rsa(pair) => {
                pair.as_der().map(|der: Pkcs8V1Der<'_>| pem::encode(TAG, der.as_ref()))
            }
            Pair::Secret(_) => return Err(HAS_NO_DOCUMENT),
        };
        text.map(|text| text.as_str().into()).map_err(|_| NOT_SUPPORTED)
    }

    /// The signature over `message`, as JWS wants it.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Ec(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = rsa_encoding(self.algorithm());
                pair.sign(encoding, &random, message, &mut signature).map(|()| signature)
            }
            Pair::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
        .map_err(|_| SIGNING_FAILED)
    }
}

fn borrowed<A: AsRef<[u8]>>(owned: &KeyPairComponents<A>) -> KeyPairComponents<&[u8]> {
    KeyPairComponents {
        public_key: PublicKeyComponents {
            n: owned.public_key.n.as_ref(),
            e: owned.public_key.e.as_ref(),
        },
        d: owned.d.as_ref(),
        p: owned.p.as_ref(),
        q: owned.q.as_ref(),
        dP: owned.dP.as_ref(),
        dQ: owned.dQ.as_ref(),
        qInv: owned.qInv.as_ref(),
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.key_id()).finish()
    }
}
