//! Why a text is not a key.

use std::fmt;

/// A text is not a key that may be used. The error never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct KeyError {
    kind: KeyErrorKind,
    /// The message; `{}` in it is the member.
    what: &'static str,
    member: Option<&'static str>,
}

/// The reason of a [`KeyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The algorithm is unknown, is not one that the issuer may use, or takes another kind of key.
    Algorithm,
    /// The key is encrypted.
    Encrypted,
    /// The key id is not one, or belongs to too many keys.
    KeyId,
    /// The text is not in the form of a key.
    Malformed,
    /// A member of the JWK is missing or malformed: see [`KeyError::member`].
    Member,
    /// The primitive failed, such as for lack of random bytes.
    Primitive,
    /// The key is private, where only public keys belong.
    Private,
    /// The key is published, so anyone can sign with it.
    Published,
    /// The key is not for signatures, or not for this operation.
    Purpose,
    /// The set lists the key twice.
    Repeated,
    /// The kind of key, its curve or its container is not supported.
    Unsupported,
    /// The key is too short, or known to be weak.
    Weak,
}

impl KeyErrorKind {
    /// The reason as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Encrypted => "encrypted",
            Self::KeyId => "key_id",
            Self::Malformed => "malformed",
            Self::Member => "member",
            Self::Primitive => "primitive",
            Self::Private => "private",
            Self::Published => "published",
            Self::Purpose => "purpose",
            Self::Repeated => "repeated",
            Self::Unsupported => "unsupported",
            Self::Weak => "weak",
        }
    }
}

impl KeyError {
    /// The reason.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// The member of the JWK that is wrong, if it is one.
    #[must_use]
    pub fn member(&self) -> Option<&'static str> {
        self.member
    }

    /// The same error about this member.
    pub(super) const fn on(self, member: &'static str) -> Self {
        Self { member: Some(member), ..self }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.what.split_once("{}"), self.member) {
            (Some((before, after)), Some(member)) => write!(f, "{before}{member}{after}"),
            _ => f.write_str(self.what),
        }
    }
}

macro_rules! reasons {
    ($($kind:ident { $($name:ident = $what:literal;)* })*) => {
        $($(pub(super) const $name: KeyError =
            KeyError { kind: KeyErrorKind::$kind, what: $what, member: None };)*)*
    };
}

reasons! {
    Algorithm {
        OTHER_FAMILY = "a key of another kind than the algorithm takes; RS and PS take RSA keys, ES256 takes P-256, ES384 takes P-384, EdDSA takes Ed25519, HS takes a secret";
        JWK_ALGORITHM = "a JWK whose `alg` is unknown or does not belong to its `kty` and `crv`";
        JWK_NOT_ALLOWED = "a JWK whose algorithm is not one of those set for its issuer";
        RSA_PSS = "an RSA key whose container restricts it to RSASSA-PSS; export it with the identifier rsaEncryption and choose PS256, PS384 or PS512 with for_algorithm()";
    }
    Encrypted {
        PEM_ENCRYPTED = "an encrypted private key; decrypt it with `openssl pkcs8 -topk8 -nocrypt -in ENCRYPTED.pem -out key.pem`";
    }
    KeyId {
        BAD_KEY_ID = "a key id that is longer than 128 bytes, is not a string, or contains control characters";
        JWK_CROWDED = "a key with the key id and algorithm of four earlier ones";
    }
    Malformed {
        NOT_PEM = "not a PEM text; write the whole file, from -----BEGIN to -----END";
        PEM_ESCAPED = "a PEM text whose line breaks are written as \\n; write real line breaks";
        PEM_IS_JWK = "a JWK where PEM is expected; read it with from_jwk(), or a JWK Set with from_jwks()";
        PEM_SSH = "a key in OpenSSH's form; convert a public key with `ssh-keygen -e -m PKCS8 -f key.pub`, and an RSA or ECDSA private key with `ssh-keygen -p -m PKCS8 -f key`";
        PEM_SEVERAL = "a text with several keys; write one, or read them with all_from_pem()";
        PEM_CHAIN = "a chain of certificates; write the public key of the first one, from `openssl x509 -in CHAIN.pem -noout -pubkey`";
        PEM_NO_PRIVATE = "a text without a private key; write the PKCS#8 key, from -----BEGIN PRIVATE KEY-----";
        PEM_KIND = "a PEM text of another kind than a key or a certificate";
        NOT_PRIVATE = "a private key whose content is damaged, or of another kind than its header names; export it again";
        NOT_PUBLIC = "a public key whose content is damaged, or of another kind than its header names; export it again";
        JWK_NOT_OBJECT = "not a JSON object";
        JWK_DUPLICATE = "a JWK with a duplicate member";
    }
    Member {
        JWK_MISSING = "a JWK without the member `{}`";
        JWK_MEMBER = "a JWK whose member `{}` is of the wrong type, is not base64url without padding, or has the wrong length";
        JWK_HALVES = "a JWK whose private and public members do not belong together";
        JWK_OFF_CURVE = "a JWK whose point is not on its curve";
    }
    Primitive {
        NO_RANDOMNESS = "the system returned no random bytes for a new key";
        SIGNING_FAILED = "signing failed";
    }
    Private {
        JWK_PRIVATE = "a JWK with the private member `{}` where public keys belong; if it was published, replace the key";
    }
    Published {
        SECRET_PUBLISHED = "a secret from public documentation; use random bytes";
        SECRET_PUBLIC_KEY = "a secret that is the text of a key, which others may know; use random bytes";
    }
    Purpose {
        HAS_NO_DOCUMENT = "a symmetric key has no PKCS#8 form; keep the secret itself";
        JWK_USE = "a JWK that is not for signatures: its `use` is not `sig`";
        JWK_OPS = "a JWK whose `key_ops` do not allow this, are not a list of distinct strings, or contradict `use`";
    }
    Repeated {
        JWK_REPEATED = "a key that the set lists before with the same id and algorithm";
    }
    Unsupported {
        NOT_SUPPORTED = "a key of an unknown kind; make one with `openssl genpkey -algorithm ed25519`";
        KEY_KIND = "a key of {}, which is not supported; use RSA, P-256, P-384 or Ed25519";
        JWK_KIND = "a JWK whose `kty` or `crv` is missing or unknown; use RSA, EC with P-256 or P-384, or OKP with Ed25519";
    }
    Weak {
        RSA_TOO_SMALL = "an RSA key of fewer than 2048 bits; use one of 2048 to 8192 bits, or Ed25519";
        RSA_TOO_LARGE = "an RSA key of more than 8192 bits; use one of 2048 to 8192 bits, or Ed25519";
        RSA_EVEN = "an RSA key with an even modulus, which is not a product of two primes; replace it";
        RSA_EXPONENT = "an RSA key whose public exponent is even, below 65537 or above 33 bits; use one with 65537";
        RSA_ROCA = "an RSA key with the fingerprint of ROCA (CVE-2017-15361): its private key can be computed from the public one; replace it";
        LOW_ORDER = "an Ed25519 key of small order, with which anyone can sign; replace it";
        SECRET_TOO_SHORT = "a secret shorter than the algorithm's hash (RFC 7518 section 3.2); use 32 random bytes for HS256, 48 for HS384 and 64 for HS512";
        SECRET_UNIFORM = "a secret of fewer than 8 different bytes, which is not random; use random bytes";
        SECRET_PATTERN = "a secret that follows a pattern, which is not random; use random bytes";
    }
}
