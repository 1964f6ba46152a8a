//! Containers of keys: DER, whose algorithm identifier decides what the key is for, and PEM (RFC 7468),
//! which is read and written without leaving copies in memory. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Algorithm, error::*};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
/// The optional elements 0 and 1 of a structure.
const FIRST: u8 = 0xa0;
const SECOND: u8 = 0xa1;

/// The algorithm identifiers of keys that are read (RFC 8410, RFC 5480, RFC 3279). Some writers omit
/// the NULL of RSA.
const IDENTIFIERS: [(&[u8], Algorithm); 5] = [
    (b"\x06\x03\x2b\x65\x70", Algorithm::EdDsa),
    (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        Algorithm::Es256,
    ),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", Algorithm::Es384),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", Algorithm::Rs256),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", Algorithm::Rs256),
];
/// What the identifier of a key that is restricted to RSASSA-PSS begins with (RFC 4055).
const PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
/// What precedes the curve in the identifier of an EC key.
const EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
/// How the identifiers of other keys end or begin, for the error.
const OTHERS: [(&[u8], &str); 9] = [
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "the curve secp256k1"),
    (b"\x06\x05\x2b\x81\x04\x00\x21", "the curve P-224"),
    (b"\x06\x05\x2b\x81\x04\x00\x23", "the curve P-521"),
    (EC, "a curve that is unknown or not named"),
    (b"\x06\x03\x2b\x65\x6e", "kind X25519"),
    (b"\x06\x03\x2b\x65\x6f", "kind X448"),
    (b"\x06\x03\x2b\x65\x71", "kind Ed448"),
    (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "kind DSA"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01", "kind Diffie-Hellman"),
];

/// The kind of a public key, and the key itself: the bits of a SubjectPublicKeyInfo, or the whole
/// of PKCS#1's RSAPublicKey.
pub(super) fn public(der: &[u8]) -> Result<(Algorithm, &[u8]), KeyError> {
    let content = whole(SEQUENCE, der).ok_or(NOT_PUBLIC)?;
    if content.first() == Some(&INTEGER) { Ok((Algorithm::Rs256, der)) } else { info(content) }
}

/// The key of a certificate (RFC 5280 §4.1). Nothing else of the certificate is looked at.
pub(super) fn certified(der: &[u8]) -> Result<(Algorithm, &[u8]), KeyError> {
    let fields = || {
        let (signed, _signature) = element(SEQUENCE, whole(SEQUENCE, der)?)?;
        let after_version = element(FIRST, signed).map_or(signed, |(_, rest)| rest);
        let (_serial, mut rest) = element(INTEGER, after_version)?;
        // The signature's algorithm, the issuer, the validity, and the subject.
        for _ in 0..4 {
            rest = element(SEQUENCE, rest)?.1;
        }
        element(SEQUENCE, rest).map(|(info, _)| info)
    };
    info(fields().ok_or(NOT_PUBLIC)?)
}

/// The content of a SubjectPublicKeyInfo.
fn info(content: &[u8]) -> Result<(Algorithm, &[u8]), KeyError> {
    let (identifier, bits) = element(SEQUENCE, content).ok_or(NOT_PUBLIC)?;
    let key = whole(BIT_STRING, bits).and_then(|bits| bits.strip_prefix(&[0])).ok_or(NOT_PUBLIC)?;
    Ok((kind(identifier)?, key))
}

/// The kind of a private key in PKCS#8 (RFC 5958).
pub(super) fn private(der: &[u8]) -> Result<Algorithm, KeyError> {
    let content = whole(SEQUENCE, der).ok_or(NOT_PRIVATE)?;
    let (_version, rest) = element(INTEGER, content).ok_or(NOT_PRIVATE)?;
    let (identifier, _) = element(SEQUENCE, rest).ok_or(NOT_PRIVATE)?;
    kind(identifier)
}

/// The curve of a private key in SEC 1's form (RFC 5915), which must name it.
pub(super) fn private_ec(der: &[u8]) -> Result<Algorithm, KeyError> {
    let parameters = || {
        let (_version, rest) = element(INTEGER, whole(SEQUENCE, der)?)?;
        let (_key, rest) = element(OCTET_STRING, rest)?;
        let (parameters, rest) = element(FIRST, rest)?;
        (rest.is_empty() || whole(SECOND, rest).is_some()).then_some(parameters)
    };
    kind(&[EC, parameters().ok_or(NOT_PRIVATE)?].concat())
}

/// The kind of a private key in PKCS#1's form (RFC 8017 §A.1.2): numbers only.
pub(super) fn private_rsa(der: &[u8]) -> Result<Algorithm, KeyError> {
    let numbers = || {
        let (_version, rest) = element(INTEGER, whole(SEQUENCE, der)?)?;
        element(INTEGER, rest)
    };
    numbers().map(|_| Algorithm::Rs256).ok_or(NOT_PRIVATE)
}

fn kind(identifier: &[u8]) -> Result<Algorithm, KeyError> {
    if identifier.starts_with(PSS) {
        return Err(RSA_PSS);
    }
    if let Some((_, kind)) = IDENTIFIERS.iter().find(|(known, _)| *known == identifier) {
        return Ok(*kind);
    }
    let is = |known: &[u8]| identifier.ends_with(known) || identifier.starts_with(known);
    let other = OTHERS.iter().find(|(known, _)| is(known));
    Err(other.map_or(NOT_SUPPORTED, |(_, name)| KEY_KIND.on(name)))
}

/// The content of the element that is all of `der`: a reader would ignore bytes behind it.
fn whole(tag: u8, der: &[u8]) -> Option<&[u8]> {
    element(tag, der).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

/// The content of the element with this tag at the beginning of `der`, and the bytes behind it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [own, length @ (..=0x7f), rest @ ..] if *own == tag => (usize::from(*length), rest),
        [own, 0x81, length @ (0x80..), rest @ ..] if *own == tag => (usize::from(*length), rest),
        [own, 0x82, high @ (1..), low, rest @ ..] if *own == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The content between two markers of PEM.
pub(super) struct Block {
    pub(super) form: Form,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// The form of a block, which its markers name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Certificate,
    Pkcs1,
    Pkcs8,
    Public,
    Sec1,
}

impl Form {
    fn is_private(self) -> bool {
        matches!(self, Self::Pkcs1 | Self::Pkcs8 | Self::Sec1)
    }

    /// The form with these markers; `None` for parameters, which the key repeats.
    fn from_tag(tag: &str) -> Result<Option<Self>, KeyError> {
        Ok(Some(match tag {
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "PRIVATE KEY" => Self::Pkcs8,
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::Public,
            "EC PRIVATE KEY" => Self::Sec1,
            "EC PARAMETERS" => return Ok(None),
            "ENCRYPTED PRIVATE KEY" => return Err(PEM_ENCRYPTED),
            "OPENSSH PRIVATE KEY" => return Err(PEM_SSH),
            _ => return Err(PEM_KIND),
        }))
    }
}

/// All blocks of a text. Text outside of them is a comment.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, KeyError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (tag, begun) = begun.split_once("-----").ok_or(NOT_PEM)?;
        let (body, begun) = begun.split_once("-----END ").ok_or(NOT_PEM)?;
        let (end, behind) = begun.split_once("-----").ok_or(NOT_PEM)?;
        if end != tag {
            return Err(NOT_PEM);
        }
        // Headers of the old form (RFC 1421), which only encrypted keys have.
        if body.contains("ENCRYPTED") {
            return Err(PEM_ENCRYPTED);
        }
        if let Some(form) = Form::from_tag(tag)? {
            blocks.push(Block { form, der: decode(body)? });
        }
        rest = behind;
    }
    if blocks.is_empty() { Err(instead_of_pem(text)) } else { Ok(blocks) }
}

/// What a text without a block may be.
fn instead_of_pem(text: &str) -> KeyError {
    match text.trim_start() {
        jwk if jwk.starts_with('{') => PEM_IS_JWK,
        ssh if ssh.starts_with("ssh-") || ssh.starts_with("ecdsa-sha2-") => PEM_SSH,
        _ => NOT_PEM,
    }
}

/// The private key of a text. The certificates that it may be exported with are passed over.
pub(super) fn private_block(text: &str) -> Result<Block, KeyError> {
    let mut private = blocks(text)?.into_iter().filter(|block| block.form.is_private());
    match (private.next(), private.next()) {
        (Some(block), None) => Ok(block),
        (None, _) => Err(PEM_NO_PRIVATE),
        (Some(_), Some(_)) => Err(PEM_SEVERAL),
    }
}

/// The only key of a text, or else its only certificate.
pub(super) fn block(text: &str) -> Result<Block, KeyError> {
    let (certificates, keys): (Vec<_>, Vec<_>) =
        blocks(text)?.into_iter().partition(|block| block.form == Form::Certificate);
    let (mut keys, mut certificates) = (keys.into_iter(), certificates.into_iter());
    match (keys.next(), keys.next()) {
        (Some(block), None) => Ok(block),
        (Some(_), Some(_)) => Err(PEM_SEVERAL),
        (None, _) => match (certificates.next(), certificates.next()) {
            (Some(block), None) => Ok(block),
            _ => Err(PEM_CHAIN),
        },
    }
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut joined = Zeroizing::new(Vec::with_capacity(body.len()));
    joined.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; joined.len() / 4 * 3 + 3]);
    let error = if body.contains("\\n") { PEM_ESCAPED } else { NOT_PEM };
    let length = STANDARD.decode_slice(&*joined, &mut der).map_err(|_| error)?;
    der.truncate(length);
    Ok(der)
}

/// The text of a block, with lines of 64 characters.
pub(super) fn to_pem(tag: &str, der: &[u8]) -> Zeroizing<String> {
    let mut body = Zeroizing::new(vec![0; der.len().div_ceil(3) * 4]);
    // The buffer has exactly the length of the encoding, so this does not fail.
    let length = STANDARD.encode_slice(der, &mut body).unwrap_or_default();
    // The text fits, so it never moves and leaves no copy.
    let mut text = Zeroizing::new(String::with_capacity(2 * tag.len() + body.len() * 65 / 64 + 64));
    text.extend(["-----BEGIN ", tag, "-----\n"]);
    for line in body.get(..length).unwrap_or_default().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.extend(["-----END ", tag, "-----\n"]);
    text
}
