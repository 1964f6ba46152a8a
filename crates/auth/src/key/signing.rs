//! The private key that tokens are signed with.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    },
};
use hardpoint_core::Secret;
use pem::Pem;
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, NOT_PEM, NOT_SUPPORTED, RSA_TOO_SMALL, VerifyingKey};

const NO_RANDOMNESS: KeyError = KeyError::new("the system gave no randomness for a new key");

/// A private key. The algorithm follows from it. `Debug` shows the key id alone.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// A new Ed25519 key that exists in this process alone: tokens signed with it end with it.
    ///
    /// # Errors
    /// [`KeyError`] if the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        const NO_RANDOMNESS: KeyError =
            KeyError::new("the system gave no randomness for a new key");

        let pair = Ed25519KeyPair::generate().map_err(|_| NO_RANDOMNESS)?;
        Self::of(Pair::Ed25519(pair))
    }

    /// A new Ed25519 key as PEM, to be kept where secrets are kept.
    ///
    /// # Errors
    /// [`KeyError`] if the system gives no randomness.
    pub fn generate_pem() -> Result<Secret<str>, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| NO_RANDOMNESS)?;
        let der = pair.to_pkcs8v1().map_err(|_| NO_RANDOMNESS)?;
        Ok(pem::encode(&Pem::new("PRIVATE KEY", der.as_ref())).into())
    }

    /// Reads a PKCS#8 private key in PEM: RSA of 2048 to 8192 bits, P-256, or Ed25519.
    ///
    /// # Errors
    /// [`KeyError`] says what the text is not, without showing any of it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::parse(text.trim()).map_err(|_| NOT_PEM)?;
        if block.tag() != "PRIVATE KEY" {
            return Err(NOT_SUPPORTED);
        }
        Self::from_pkcs8(&Zeroizing::new(block.into_contents()))
    }

    /// Reads a PKCS#8 private key in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Self::of(Pair::Ed25519(pair));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Self::of(Pair::P256(pair));
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| NOT_SUPPORTED)?;
        if pair.public_modulus_len() < 256 {
            return Err(RSA_TOO_SMALL);
        }
        Self::of(Pair::Rsa(Box::new(pair)))
    }

    fn of(pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ed25519(pair) => VerifyingKey::ed25519(pair.public_key().as_ref()),
            Pair::P256(pair) => VerifyingKey::p256(pair.public_key().as_ref()),
            Pair::Rsa(pair) => VerifyingKey::rsa(pair.public_key().as_ref()),
        }?;
        Ok(Self { pair, public })
    }

    /// The algorithm that this key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The key id: the RFC 7638 thumbprint of the public key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.public.key_id()
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// The signature over `message`, as JWS wants it: 64 bytes, or as many as the RSA modulus has.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        const FAILED: KeyError = KeyError::new("signing failed");

        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| FAILED)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.key_id()).finish()
    }
}
