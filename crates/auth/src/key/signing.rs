//! The private key that tokens are signed with.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    error::KeyRejected,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeyPairComponents, KeySize, PublicKeyComponents},
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use hardpoint_core::Secret;
use zeroize::Zeroizing;

use super::{
    Algorithm, VerifyingKey,
    algorithm::Primitive,
    container::{self, Block, Form},
    error::*,
    jwk::{Jwk, SIGN},
};

/// A private key for one algorithm. `Debug` shows only the key id.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    /// The half that verifies has it.
    Secret,
}

impl SigningKey {
    /// A new Ed25519 key that exists only in this process: its tokens are lost with it.
    ///
    /// # Errors
    /// [`KeyError`] if the system returns no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_for(Algorithm::EdDsa)
    }

    /// A new key for `algorithm` that exists only in this process, unless the text of
    /// [`to_pem`](Self::to_pem) is kept. An RSA key has 2048 bits, which may take a second to find.
    /// A secret is as long as the algorithm's hash and has no such text: draw one yourself to keep
    /// it, and read it with [`symmetric`](Self::symmetric).
    ///
    /// # Errors
    /// [`KeyError`] if the system returns no random bytes.
    pub fn generate_for(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm.primitive() {
            Primitive::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Primitive::Ec(_, curve) => EcdsaKeyPair::generate(curve).map(Pair::Ec),
            Primitive::Rsa(..) => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            Primitive::Mac(_) => {
                let mut secret = Zeroizing::new(vec![0; algorithm.hash_len()]);
                getrandom::fill(&mut secret).map_err(|_| NO_RANDOMNESS)?;
                return Self::symmetric(algorithm, &secret.as_slice().into());
            }
        };
        Self::from_pair(pair.map_err(|_| NO_RANDOMNESS)?, algorithm.kind())?
            .for_algorithm(algorithm)
    }

    /// A new Ed25519 key in PEM, to be kept where secrets are kept.
    ///
    /// # Errors
    /// [`KeyError`] if the system returns no random bytes.
    pub fn generate_pem() -> Result<Secret<str>, KeyError> {
        Self::generate()?.to_pem()
    }

    /// Reads a private key in PEM (PKCS#8, PKCS#1 for RSA, or SEC 1 for EC): RSA of 2048 to 8192 bits,
    /// P-256, P-384, or Ed25519. EC parameters and certificates beside it are passed over. An RSA key
    /// gets RS256: see [`for_algorithm`](Self::for_algorithm). One that is restricted to RSASSA-PSS is
    /// refused.
    ///
    /// # Errors
    /// [`KeyError`] names the kind of text, without showing any of it, and how to convert it.
    /// An encrypted key is refused.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_block(&container::private_block(text)?)
    }

    pub(super) fn from_block(block: &Block) -> Result<Self, KeyError> {
        let der = &block.der;
        let (kind, pair) = match block.form {
            Form::Pkcs8 => return Self::from_pkcs8(der),
            Form::Sec1 => {
                let kind = container::private_ec(der)?;
                let Primitive::Ec(_, curve) = kind.primitive() else { return Err(NOT_PRIVATE) };
                (kind, EcdsaKeyPair::from_private_key_der(curve, der).map(Pair::Ec))
            }
            Form::Pkcs1 => (container::private_rsa(der)?, RsaKeyPair::from_der(der).map(Pair::Rsa)),
            Form::Certificate | Form::Public => return Err(PEM_NO_PRIVATE),
        };
        Self::from_pair(pair.map_err(refused)?, kind)
    }

    /// Reads a PKCS#8 private key in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let kind = container::private(der)?;
        let pair = match kind.primitive() {
            Primitive::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            Primitive::Ec(_, curve) => EcdsaKeyPair::from_pkcs8(curve, der).map(Pair::Ec),
            _ => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
        };
        Self::from_pair(pair.map_err(refused)?, kind)
    }

    /// Reads a private JSON Web Key (RFC 7517); of kind `oct`, a secret. `kid` and `alg` are kept as
    /// by [`VerifyingKey::from_jwk`].
    ///
    /// # Errors
    /// [`KeyError`] if the JWK is of an unknown kind, is not for signing (`use`, `key_ops`),
    /// contradicts itself, has a duplicate member, is weak, or its halves do not belong together.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        let algorithm = jwk.algorithm_for(SIGN)?;
        let kind = algorithm.kind();
        let pair = match kind.primitive() {
            Primitive::Ed25519 => {
                let (d, x) = (jwk.exactly("d", 32)?, jwk.exactly("x", 32)?);
                Ed25519KeyPair::from_seed_and_public_key(&d, &x).map(Pair::Ed25519)
            }
            Primitive::Ec(_, curve) => {
                let private = jwk.padded("d", kind.coordinate_len())?;
                let point = jwk.point(kind)?;
                EcdsaKeyPair::from_private_key_and_public_key(curve, &private, &point).map(Pair::Ec)
            }
            Primitive::Rsa(..) => {
                let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
                let numbers = names.into_iter().map(|name| jwk.number(name));
                let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                let [n, e, d, p, q, dp, dq, qi] = numbers.as_slice() else {
                    return Err(JWK_HALVES);
                };
                let public_key = PublicKeyComponents { n, e };
                let components =
                    KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
                RsaKeyPair::from_components(&components).map(Pair::Rsa)
            }
            Primitive::Mac(_) => {
                let key = Self::symmetric(algorithm, &jwk.bytes("k")?.as_slice().into())?;
                return key.named_by(&jwk);
            }
        };
        let key = Self::from_pair(pair.map_err(|_| JWK_HALVES)?, kind)?.for_algorithm(algorithm)?;
        key.named_by(&jwk)
    }

    fn named_by(self, jwk: &Jwk) -> Result<Self, KeyError> {
        if let Some(id) = jwk.key_id() { self.named(id) } else { Ok(self) }
    }

    /// A secret that signs and verifies. Prefer a key pair: every verifier of a secret can also
    /// sign.
    ///
    /// # Errors
    /// As [`VerifyingKey::symmetric`].
    pub fn symmetric(algorithm: Algorithm, secret: &Secret<[u8]>) -> Result<Self, KeyError> {
        Ok(Self { pair: Pair::Secret, public: VerifyingKey::symmetric(algorithm, secret)? })
    }

    /// A secret that signs although others may know it. See [`VerifyingKey::dangerous_symmetric`].
    ///
    /// # Errors
    /// As [`VerifyingKey::dangerous_symmetric`].
    #[cfg(any(test, feature = "test"))]
    pub fn dangerous_symmetric(
        algorithm: Algorithm,
        secret: &Secret<[u8]>,
    ) -> Result<Self, KeyError> {
        let public = VerifyingKey::dangerous_symmetric(algorithm, secret)?;
        Ok(Self { pair: Pair::Secret, public })
    }

    fn from_pair(pair: Pair, kind: Algorithm) -> Result<Self, KeyError> {
        let raw = match &pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Ec(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            // Secrets are made with both halves at once.
            Pair::Secret => return Err(NOT_SUPPORTED),
        };
        let public = VerifyingKey::from_raw(kind, raw)?;
        Ok(Self { pair, public })
    }

    /// The same key for another algorithm, such as PS256 for an RSA key.
    ///
    /// # Errors
    /// [`KeyError`] if the algorithm takes another kind of key. A secret keeps its algorithm.
    pub fn for_algorithm(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        Ok(Self { public: self.public.for_algorithm(algorithm)?, pair: self.pair })
    }

    /// The same key with another id than its thumbprint.
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

    /// The key id: by default the RFC 7638 thumbprint of the public key.
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
        // The primitives wipe their documents when they are dropped, and the text is wiped too.
        let encode = |der: &[u8]| container::to_pem("PRIVATE KEY", der).as_str().into();
        match &self.pair {
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|document| encode(document.as_ref())),
            Pair::Ec(pair) => pair.to_pkcs8v1().map(|document| encode(document.as_ref())),
            Pair::Rsa(pair) => pair.as_der().map(|der: Pkcs8V1Der<'_>| encode(der.as_ref())),
            Pair::Secret => return Err(HAS_NO_DOCUMENT),
        }
        .map_err(|_| NOT_SUPPORTED)
    }

    /// The signature over `message`, in the form of JWS.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match (&self.pair, self.algorithm().primitive()) {
            (Pair::Ed25519(pair), _) => Ok(pair.sign(message).as_ref().to_vec()),
            (Pair::Ec(pair), _) => pair.sign(&random, message).map(|own| own.as_ref().to_vec()),
            (Pair::Rsa(pair), Primitive::Rsa(_, encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).map(|()| signature)
            }
            (Pair::Secret, _) => self.public.code(message).map(|own| own.as_ref().to_vec()),
            // An RSA key has an algorithm of RSA.
            (Pair::Rsa(_), _) => return Err(SIGNING_FAILED),
        }
        .map_err(|_| SIGNING_FAILED)
    }
}

/// Why the primitive does not read a private key.
fn refused(error: KeyRejected) -> KeyError {
    if error.description_() == "TooSmall" { RSA_TOO_SMALL } else { NOT_PRIVATE }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.key_id()).finish()
    }
}
