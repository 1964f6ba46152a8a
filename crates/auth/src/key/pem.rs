//! PEM (RFC 7468), read and written without leaving copies in memory.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::error::{KeyError, NOT_PEM};

/// The content between two markers.
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
pub(super) fn encode(tag: &str, der: &[u8]) -> Zeroizing<String> {
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
