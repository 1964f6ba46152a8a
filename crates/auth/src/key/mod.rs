//! Keys of tokens: one key, one algorithm, parsed once.

mod set;
mod signing;
mod verifying;

use std::{error::Error, fmt};

pub use self::{
    set::{KeySet, KeySetError},
    signing::SigningKey,
    verifying::VerifyingKey,
};

/// A signature algorithm of JWS (RFC 7518, RFC 8037). Which one a key is for follows from the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519. Written `EdDSA`, and accepted as `Ed25519` too (RFC 9864).
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// The name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Whether a token's header names this algorithm. Names are compared exactly (RFC 8725bis 3.1).
    pub(crate) fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }
}

/// A text is no key that may be used. It never shows the text.
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
    "not a PKCS#8 private key of RSA, P-256 or Ed25519; make one with \
     `openssl genpkey -algorithm ed25519`",
);
pub(crate) const NOT_PUBLIC: KeyError = KeyError::new(
    "neither a public key (SubjectPublicKeyInfo) nor a PKCS#8 private key of RSA, P-256 or Ed25519",
);
pub(crate) const RSA_TOO_SMALL: KeyError =
    KeyError::new("an RSA key of fewer than 2048 bits; use one of 2048 to 8192 bits, or Ed25519");

#[cfg(test)]
mod tests;
