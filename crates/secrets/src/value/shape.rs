//! Checks the format of a value.

use std::str;

use zeroize::Zeroizing;

use super::{Flaw, MAX_BYTES, encoding, pem};
use crate::{invisible, spec::Kind};

/// The fewest bytes of a raw key that must not be text in hexadecimal or base64.
const FEW_RAW: usize = 24;

/// Removes the single line break with which editors and shells end a file.
pub(crate) fn without_line_break(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// The rule for every kind: not empty, and of at most [`MAX_BYTES`].
pub(super) fn sized(raw: &[u8]) -> Result<(), Flaw> {
    if raw.len() > MAX_BYTES {
        Err(Flaw::TooLarge)
    } else if raw.trim_ascii().is_empty() {
        Err(Flaw::Empty)
    } else {
        Ok(())
    }
}

/// The rules for every kind but raw bytes: the value is text in UTF-8, not only white space, and
/// without a byte order mark.
pub(super) fn text(kind: Kind, raw: &[u8]) -> Result<&str, Flaw> {
    if let Some(flaw) = binary(kind, raw) {
        return Err(flaw);
    }
    // UTF-8, and both of UTF-16, which would otherwise be reported as "not UTF-8".
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| raw.starts_with(mark)) {
        return Err(Flaw::ByteOrderMark);
    }
    let text = str::from_utf8(raw).map_err(|_| Flaw::NotUtf8)?;
    if text.trim().is_empty() {
        return Err(Flaw::Empty);
    }
    // Text around the blocks of PEM is not judged.
    if kind != Kind::Pem && invisible::is_hidden_in(text) {
        return Err(Flaw::Invisible);
    }
    Ok(text)
}

/// Recognizes a key in raw bytes where text is expected. Text with an invisible character in it or
/// in UTF-16 is not one.
fn binary(kind: Kind, raw: &[u8]) -> Option<Flaw> {
    let text = || str::from_utf8(raw).ok();
    match kind {
        Kind::Pem => pem::is_der(raw).then_some(Flaw::PemDer),
        Kind::Base64 | Kind::Hex => {
            // A key may have one invisible character more than it should, but not among others
            // that no key in text has.
            let readable = |text: &str| {
                let seen = || text.chars().filter(|c| !invisible::is_invisible(*c));
                seen().count() == text.chars().count()
                    || (seen().count() > text.chars().count() / 2 && seen().all(is_of_a_key))
            };
            let is_text = text().is_some_and(readable) || is_utf_16(raw);
            (!is_text).then_some(Flaw::Binary { wanted: kind.encoding() })
        }
        Kind::Raw | Kind::Text => None,
    }
}

/// Whether a character occurs in a key in text, or around it.
fn is_of_a_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_whitespace() || "+/=-_:\"'".contains(c)
}

/// Whether the bytes start with a mark of UTF-16 and are ASCII in it.
fn is_utf_16(raw: &[u8]) -> bool {
    let ascii = |zero: usize| raw.chunks(2).skip(1).all(|pair| pair.get(zero) == Some(&0));
    (raw.starts_with(b"\xff\xfe") && ascii(1)) || (raw.starts_with(b"\xfe\xff") && ascii(0))
}

/// Refuses whitespace at either end, which was probably copied by accident, and quotes around the
/// value, which docker's `--env-file` keeps.
pub(super) fn bare(text: &str) -> Result<(), Flaw> {
    let trimmed = text.trim();
    let quoted = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’'), ('«', '»')]
        .into_iter()
        .any(|(open, close)| {
            trimmed.strip_prefix(open).is_some_and(|rest| rest.strip_suffix(close).is_some())
        });
    if quoted {
        Err(Flaw::Quoted)
    } else if trimmed.len() != text.len() {
        Err(Flaw::Space)
    } else {
        Ok(())
    }
}

pub(super) fn base64(text: &str) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    if encoding::is_hex(text) {
        return Err(Flaw::Hex);
    }
    if text.contains("-----BEGIN ") {
        return Err(Flaw::KeyIsPem);
    }
    if encoding::is_base32(text) {
        return Err(Flaw::Base32);
    }
    if text.contains(char::is_whitespace) {
        return Err(Flaw::Base64Space);
    }
    encoding::base64(text).ok_or(Flaw::Base64)
}

pub(super) fn hex(text: &str) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    if let Some(bytes) = encoding::hex(text) {
        return Ok(bytes);
    }
    Err(if text.contains("-----BEGIN ") {
        Flaw::KeyIsPem
    } else if encoding::is_hex(text) {
        Flaw::HexSeparated
    } else if encoding::without_prefix(text).bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // The prefix of a key that is too short to be recognized, or half a byte.
        if encoding::without_prefix(text) == text { Flaw::HexOdd } else { Flaw::HexSeparated }
    } else if encoding::is_base64(text) {
        Flaw::HexIsBase64
    } else {
        Flaw::NotHex
    })
}

/// Refuses text where raw bytes are expected.
pub(super) fn raw(bytes: &[u8]) -> Result<(), Flaw> {
    let text = bytes.trim_ascii();
    if str::from_utf8(text).is_ok_and(|text| text.contains("-----BEGIN ")) {
        Err(Flaw::KeyIsPem)
    } else if text.len() >= FEW_RAW && encoding::is_encoded(text) {
        Err(Flaw::RawIsText)
    } else {
        Ok(())
    }
}
