//! The algorithms, and their primitives.

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{
        self as sig, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaEncoding, RsaParameters,
    },
};

/// A signature algorithm of JWS (RFC 7518, RFC 8037). Every key has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519. The name is `EdDSA`; `Ed25519` is accepted too (RFC 9864).
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// HMAC with SHA-256: every verifier can also sign.
    Hs256,
    /// HMAC with SHA-384: every verifier can also sign.
    Hs384,
    /// HMAC with SHA-512: every verifier can also sign.
    Hs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

/// What signs and verifies.
#[derive(Clone, Copy)]
pub(super) enum Primitive {
    Ed25519,
    Ec(&'static EcdsaVerificationAlgorithm, &'static EcdsaSigningAlgorithm),
    Rsa(&'static RsaParameters, &'static dyn RsaEncoding),
    Mac(hmac::Algorithm),
}

impl Algorithm {
    const ALL: [Self; 12] = {
        use Algorithm::*;
        [EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512]
    };

    /// The algorithm of this name. Names are compared exactly (RFC 8725bis §3.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.is_named(name))
    }

    /// The name of this algorithm.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.properties().0
    }

    /// Whether the key that verifies is the one that signs.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self.primitive(), Primitive::Mac(_))
    }

    /// Whether a token's header names this algorithm.
    pub(crate) fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }

    /// The kind of key that this algorithm takes, as the algorithm of a key that names none: RS256
    /// for RSA, as Entra's keys, and HS256 for a secret.
    pub(super) fn kind(self) -> Self {
        match self.primitive() {
            Primitive::Rsa(..) => Self::Rs256,
            Primitive::Mac(_) => Self::Hs256,
            Primitive::Ed25519 | Primitive::Ec(..) => self,
        }
    }

    /// The length of a coordinate or of an Ed25519 key, in bytes.
    pub(super) fn coordinate_len(self) -> usize {
        if self == Self::Es384 { 48 } else { 32 }
    }

    pub(super) fn primitive(self) -> Primitive {
        self.properties().1
    }

    fn properties(self) -> (&'static str, Primitive) {
        use Primitive::{Ec, Ed25519, Mac, Rsa};

        match self {
            Self::EdDsa => ("EdDSA", Ed25519),
            Self::Es256 => {
                ("ES256", Ec(&sig::ECDSA_P256_SHA256_FIXED, &sig::ECDSA_P256_SHA256_FIXED_SIGNING))
            }
            Self::Es384 => {
                ("ES384", Ec(&sig::ECDSA_P384_SHA384_FIXED, &sig::ECDSA_P384_SHA384_FIXED_SIGNING))
            }
            Self::Hs256 => ("HS256", Mac(hmac::HMAC_SHA256)),
            Self::Hs384 => ("HS384", Mac(hmac::HMAC_SHA384)),
            Self::Hs512 => ("HS512", Mac(hmac::HMAC_SHA512)),
            Self::Ps256 => ("PS256", Rsa(&sig::RSA_PSS_2048_8192_SHA256, &sig::RSA_PSS_SHA256)),
            Self::Ps384 => ("PS384", Rsa(&sig::RSA_PSS_2048_8192_SHA384, &sig::RSA_PSS_SHA384)),
            Self::Ps512 => ("PS512", Rsa(&sig::RSA_PSS_2048_8192_SHA512, &sig::RSA_PSS_SHA512)),
            Self::Rs256 => ("RS256", Rsa(&sig::RSA_PKCS1_2048_8192_SHA256, &sig::RSA_PKCS1_SHA256)),
            Self::Rs384 => ("RS384", Rsa(&sig::RSA_PKCS1_2048_8192_SHA384, &sig::RSA_PKCS1_SHA384)),
            Self::Rs512 => ("RS512", Rsa(&sig::RSA_PKCS1_2048_8192_SHA512, &sig::RSA_PKCS1_SHA512)),
        }
    }

    /// The length of a hash, in bytes: also the least length of a secret (RFC 7518 §3.2).
    pub(super) fn hash_len(self) -> usize {
        match self.primitive() {
            Primitive::Mac(hash) => hash.digest_algorithm().output_len(),
            _ => 0,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
