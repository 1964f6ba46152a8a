//! Why a text is not a key.

/// A text is not a key that may be used. The error never shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct KeyError {
    what: &'static str,
}

macro_rules! reasons {
    ($($name:ident = $what:literal;)*) => {
        $(pub(super) const $name: KeyError = KeyError { what: $what };)*
    };
}

reasons! {
    NOT_PEM = "not a PEM text; write the whole file, from -----BEGIN to -----END, with its line breaks";
    NOT_SUPPORTED = "not a PKCS#8 private key of RSA, P-256, P-384 or Ed25519; make one with `openssl genpkey -algorithm ed25519`";
    NOT_PUBLIC = "neither a public key (SubjectPublicKeyInfo) nor a PKCS#8 private key of RSA, P-256, P-384 or Ed25519";
    NO_RANDOMNESS = "the system returned no random bytes for a new key";
    SIGNING_FAILED = "signing failed";
    HAS_NO_DOCUMENT = "a symmetric key has no PKCS#8 form; keep the secret itself";
    RSA_PSS = "an RSA key whose container restricts it to RSASSA-PSS; export it with the identifier rsaEncryption and choose PS256, PS384 or PS512 with for_algorithm()";
    RSA_TOO_SMALL = "an RSA key of fewer than 2048 bits; use one of 2048 to 8192 bits, or Ed25519";
    RSA_TOO_LARGE = "an RSA key of more than 8192 bits; use one of 2048 to 8192 bits, or Ed25519";
    RSA_EVEN = "an RSA key with an even modulus, which is not a product of two primes; replace it";
    RSA_EXPONENT = "an RSA key whose public exponent is even, below 65537 or above 33 bits; use one with 65537";
    RSA_ROCA = "an RSA key with the fingerprint of ROCA (CVE-2017-15361): its private key can be computed from the public one; replace it";
    LOW_ORDER = "an Ed25519 key of small order, with which anyone can sign; replace it";
    SECRET_TOO_SHORT = "a secret shorter than the algorithm's hash (RFC 7518 section 3.2); use 32 random bytes for HS256, 48 for HS384 and 64 for HS512";
    SECRET_PUBLISHED = "a secret from public documentation; use random bytes";
    SECRET_UNIFORM = "a secret of fewer than 8 different bytes, which is not random; use random bytes";
    SECRET_PUBLIC_KEY = "a secret that is the text of a key, which others may know; use random bytes";
    OTHER_FAMILY = "a key of another kind than the algorithm takes; RS and PS take RSA keys, ES256 takes P-256, ES384 takes P-384, EdDSA takes Ed25519, HS takes a secret";
    BAD_KEY_ID = "a key id that is empty, longer than 128 bytes, or contains control characters";
    JWK_NOT_OBJECT = "not a JSON object";
    JWK_DUPLICATE = "a JWK with a duplicate member";
    JWK_KIND = "a JWK whose `kty` or `crv` is missing or unknown; use RSA, EC with P-256 or P-384, or OKP with Ed25519";
    JWK_MEMBER = "a JWK with a member that is missing, has the wrong length, or is not base64url without padding";
    JWK_USE = "a JWK that is not for signatures: its `use` is not `sig`";
    JWK_OPS = "a JWK whose `key_ops` do not allow this, are not a list of distinct strings, or contradict `use`";
    JWK_ALGORITHM = "a JWK whose `alg` is unknown or does not belong to its `kty` and `crv`";
    JWK_PRIVATE = "a JWK with private members where public keys belong; if it was published, replace it";
    JWK_OFF_CURVE = "a JWK whose point is not on its curve";
    JWK_REPEATED = "a key with the key id of an earlier one; the first one is used";
}
