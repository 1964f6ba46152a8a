//! Keys that must not be used.

use super::{
    Algorithm,
    error::*,
    published::{has_pattern, is_published},
};

/// An RSA public key, big-endian and without leading zeros.
pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let unused = modulus.first().map_or(8, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(unused);
    match bits {
        0..2048 => return Err(RSA_TOO_SMALL),
        2048..=8192 => {}
        _ => return Err(RSA_TOO_LARGE),
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(RSA_EVEN);
    }
    if exponent.is_empty() || exponent.len() > 5 {
        return Err(RSA_EXPONENT);
    }
    let exponent = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    // The primitive refuses more than 33 bits, which only make verification slow.
    if exponent % 2 == 0 || !(65_537..1 << 33).contains(&exponent) {
        return Err(RSA_EXPONENT);
    }
    if has_roca_fingerprint(modulus) {
        return Err(RSA_ROCA);
    }
    Ok(())
}

/// Whether the modulus is a power of 65537 modulo each small prime, like those of Infineon's faulty
/// generator and hardly any other (Nemec et al., CCS 2017, section 2.4).
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];

    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * (65_537 % prime) % prime;
            power == rest
        })
    })
}

/// An Ed25519 public key: a signature by a point of small order is valid for any message.
pub(super) fn ed25519(point: &[u8; 32]) -> Result<(), KeyError> {
    /// Their y coordinates, two of them not in canonical form.
    const SMALL: [[u8; 32]; 7] = [
        [0; 32],
        first_and_last(1, 0, 0),
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\
           \xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\
           \x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
        first_and_last(0xec, 0xff, 0x7f),
        first_and_last(0xed, 0xff, 0x7f),
        first_and_last(0xee, 0xff, 0x7f),
    ];

    let mut y = *point;
    // The highest bit is the sign of x.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    if SMALL.contains(&y) { Err(LOW_ORDER) } else { Ok(()) }
}

const fn first_and_last(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// A secret for HMAC.
pub(super) fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), KeyError> {
    if is_published(secret) {
        return Err(SECRET_PUBLISHED);
    }
    if secret.len() < algorithm.hash_len() {
        return Err(SECRET_TOO_SHORT);
    }
    if is_text_of_a_key(secret) {
        return Err(SECRET_PUBLIC_KEY);
    }
    let different = (0..=u8::MAX).filter(|byte| secret.contains(byte)).count();
    match () {
        () if different < 8 => Err(SECRET_UNIFORM),
        () if has_pattern(secret) => Err(SECRET_PATTERN),
        () => Ok(()),
    }
}

/// Whether a secret is a key or a certificate in PEM, DER, JWK or OpenSSH's form: a verifier that uses a
/// public key as a secret lets anyone sign (CVE-2016-10555, CVE-2026-34950).
fn is_text_of_a_key(secret: &[u8]) -> bool {
    /// The beginnings of the encoded forms: certificates and RSA keys, P-256 and P-384, Ed25519.
    const ENCODED: [&[u8]; 5] =
        [b"MII", b"MFkwEwYHKoZI", b"MHYwEAYHKoZI", b"MCowBQYDK2Vw", b"ssh-"];

    let holds = |text: &[u8]| secret.windows(text.len()).any(|part| part == text);
    let content = match secret {
        [0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] => content,
        [0x30, _, content @ ..] => content,
        _ => &[],
    };
    // SubjectPublicKeyInfo: a sequence of an algorithm (a sequence that begins with an identifier) and
    // bits. A certificate: a sequence of long sequences. PKCS#1: a sequence of long numbers.
    let is_der = matches!(
        content,
        [0x30, _, 0x06, ..] | [0x30 | 0x02, 0x81 | 0x82, ..] | [0x02, 0x01, _, 0x30, ..]
    );
    let trimmed = secret.trim_ascii_start();
    is_der
        || ENCODED.iter().any(|begin| trimmed.starts_with(begin))
        || holds(b"-----BEGIN ")
        || holds(b"\"kty\"")
}
