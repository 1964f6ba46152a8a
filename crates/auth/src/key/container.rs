//! Containers of keys: DER, whose algorithm identifier decides what the key is for, and PEM (RFC 7468),
//! which is read and written without leaving copies in memory. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Algorithm,
    error::{KeyError, NOT_PEM, NOT_PUBLIC, NOT_SUPPORTED, RSA_PSS},
};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The algorithm identifiers of keys that are read (RFC 8410, RFC 5480, RFC 3279).
const IDENTIFIERS: [(&[u8], Algorithm); 4] = [
    (b"\x06\x03\x2b\x65\x70", Algorithm::EdDsa),
    (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        Algorithm::Es256,
    ),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", Algorithm::Es384),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", Algorithm::Rs256),
];
/// What the identifier of a key that is restricted to RSASSA-PSS begins with (RFC 4055).
const PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

/// The kind of a public key, and the key itself: the bits of a SubjectPublicKeyInfo, or the whole
/// of PKCS#1's RSAPublicKey.
pub(super) fn public(der: &[u8]) -> Result<(Algorithm, &[u8]), KeyError> {
    let content = whole(SEQUENCE, der).ok_or(NOT_PUBLIC)?;
    if content.first() == Some(&INTEGER) {
        return Ok((Algorithm::Rs256, der));
    }
    let (identifier, bits) = element(SEQUENCE, content).ok_or(NOT_PUBLIC)?;
    let key = whole(BIT_STRING, bits).and_then(|bits| bits.strip_prefix(&[0])).ok_or(NOT_PUBLIC)?;
    Ok((kind(identifier, NOT_PUBLIC)?, key))
}

/// The kind of a private key in PKCS#8 (RFC 5958).
pub(super) fn private(der: &[u8]) -> Result<Algorithm, KeyError> {
    let content = whole(SEQUENCE, der).ok_or(NOT_SUPPORTED)?;
    let (_version, rest) = element(INTEGER, content).ok_or(NOT_SUPPORTED)?;
    let (identifier, _) = element(SEQUENCE, rest).ok_or(NOT_SUPPORTED)?;
    kind(identifier, NOT_SUPPORTED)
}

fn kind(identifier: &[u8], unknown: KeyError) -> Result<Algorithm, KeyError> {
    if identifier.starts_with(PSS) {
        return Err(RSA_PSS);
    }
    let known = IDENTIFIERS.iter().find(|(known, _)| *known == identifier);
    known.map(|(_, kind)| *kind).ok_or(unknown)
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
    pub(super) tag: String,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// All blocks of a text. Text outside of them is a comment.
pub(super) fn blocks(mut text: &str) -> Result<Vec<Block>, KeyError> {
    let mut blocks = Vec::new();
    while let Some((_, rest)) = text.split_once("-----BEGIN ") {
        let (tag, rest) = rest.split_once("-----").ok_or(NOT_PEM)?;
        let (body, rest) = rest.split_once("-----END ").ok_or(NOT_PEM)?;
        let (end, rest) = rest.split_once("-----").ok_or(NOT_PEM)?;
        if end != tag {
            return Err(NOT_PEM);
        }
        blocks.push(Block { tag: tag.to_owned(), der: decode(body)? });
        text = rest;
    }
    if blocks.is_empty() { Err(NOT_PEM) } else { Ok(blocks) }
}

/// The only block of a text.
pub(super) fn block(text: &str) -> Result<Block, KeyError> {
    let mut blocks = blocks(text)?;
    match blocks.pop() {
        Some(block) if blocks.is_empty() => Ok(block),
        _ => Err(NOT_PEM),
    }
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut joined = Zeroizing::new(Vec::with_capacity(body.len()));
    joined.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; joined.len() / 4 * 3 + 3]);
    let length = STANDARD.decode_slice(&*joined, &mut der).map_err(|_| NOT_PEM)?;
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
