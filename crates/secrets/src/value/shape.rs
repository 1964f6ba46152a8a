//! Checks the format of a value.

use std::str;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT},
};
use zeroize::Zeroizing;

use super::{Flaw, MAX_BYTES};

/// Removes the single line break with which editors and shells end a file.
pub(crate) fn without_line_break(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// The rules for every kind: the value is text in UTF-8, not empty, without a byte order mark.
pub(super) fn text(raw: &[u8]) -> Result<&str, Flaw> {
    // UTF-8, and both of UTF-16, which would otherwise be reported as "not UTF-8".
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if raw.len() > MAX_BYTES {
        return Err(Flaw::TooLarge);
    }
    if marks.iter().any(|mark| raw.starts_with(mark)) {
        return Err(Flaw::ByteOrderMark);
    }
    let text = str::from_utf8(raw).map_err(|_| Flaw::NotUtf8)?;
    if text.trim().is_empty() {
        return Err(Flaw::Empty);
    }
    Ok(text)
}

/// Refuses whitespace at either end, which was probably copied by accident.
pub(super) fn trimmed(text: &str) -> Result<(), Flaw> {
    if text.trim().len() == text.len() { Ok(()) } else { Err(Flaw::Space) }
}

pub(super) fn base64(text: &str) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    if text.contains(['\n', '\r']) {
        return Err(Flaw::Base64Lines);
    }
    let engine =
        if text.contains(['-', '_']) { URL_SAFE_PAD_INDIFFERENT } else { STANDARD_PAD_INDIFFERENT };
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    // Drops the decoder's error, because it contains the offending character.
    let len = engine.decode_slice(text, &mut bytes).map_err(|_| Flaw::Base64)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// One or more complete blocks (RFC 7468), with or without text around or between them.
pub(super) fn pem(text: &str) -> Result<(), Flaw> {
    if !text.contains("-----BEGIN ") {
        return Err(Flaw::PemMissing);
    }
    if text.contains("\\n") {
        return Err(Flaw::PemEscaped);
    }
    let mut open: Option<Block<'_>> = None;
    for line in text.lines().map(str::trim) {
        open = match (open, boundary(line, "BEGIN"), boundary(line, "END")) {
            (None, Some(label), _) => Some(Block { label, body: false }),
            (None, None, None) => None,
            (Some(block), None, Some(label)) if block.body && block.label == label => None,
            (Some(block), None, None) if is_body(line) => {
                Some(Block { body: block.body || !line.is_empty(), ..block })
            }
            _ => return Err(Flaw::PemBroken),
        };
    }
    open.map_or(Ok(()), |_| Err(Flaw::PemBroken))
}

struct Block<'a> {
    label: &'a str,
    body: bool,
}

fn boundary<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

/// Base64, an empty line, or a header of the older format (`Proc-Type: 4,ENCRYPTED`).
fn is_body(line: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    line.contains(':') || line.bytes().all(base64)
}
