//! Checks PEM texts (RFC 7468) and recognizes the texts that operators write in place of one.

use std::str;

use super::{Flaw, encoding};
use crate::invisible;

/// Requires one or more complete blocks. Text around and between them is not judged.
pub(super) fn check(text: &str) -> Result<(), Flaw> {
    let mut open: Option<Block<'_>> = None;
    let mut blocks = 0_usize;
    for line in text.lines().map(str::trim) {
        open = match (open, boundary(line, "BEGIN"), boundary(line, "END")) {
            (None, Some(label), _) => Some(Block { label, body: false }),
            (None, None, None) if line.starts_with("-----BEGIN ") => return Err(broken(line)),
            (None, None, None) => None,
            (Some(block), None, Some(label)) if block.body && block.label == label => {
                blocks += 1;
                None
            }
            (Some(block), None, None) if is_body(line) => {
                Some(Block { body: block.body || !line.is_empty(), ..block })
            }
            _ => return Err(broken(line)),
        };
    }
    match (open, blocks) {
        (Some(_), _) => Err(Flaw::PemBroken),
        (None, 0) => Err(instead(text)),
        (None, _) => Ok(()),
    }
}

struct Block<'a> {
    label: &'a str,
    body: bool,
}

fn boundary<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?;
    rest.strip_suffix("-----").filter(|label| !label.contains("-----"))
}

/// Base64, an empty line, or a header of the older format (`Proc-Type: 4,ENCRYPTED`).
fn is_body(line: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    line.contains(':') || line.bytes().all(base64)
}

fn broken(line: &str) -> Flaw {
    if line.contains("\\n") {
        Flaw::PemEscaped
    } else if invisible::is_hidden_in(line) {
        Flaw::Invisible
    } else {
        Flaw::PemBroken
    }
}

/// The format of a text without a complete block.
fn instead(text: &str) -> Flaw {
    let text = text.trim();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    if let Some((_, line)) = text.split_once("-----BEGIN ") {
        return if text.starts_with(['"', '\'']) { Flaw::Quoted } else { broken(line) };
    }
    if starts(&["LS0tLS1CRUdJTi"]) {
        Flaw::PemEncoded
    } else if starts(&["{", "["]) {
        Flaw::PemJson
    } else if starts(&["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2", "PuTTY-"])
    {
        Flaw::PemSsh
    } else if starts(&["/", "./", "../", "~/"]) && !text.contains('\n') {
        Flaw::PemPath
    } else if is_bare(text) {
        Flaw::PemBare
    } else if encoding::is_hex(text) {
        Flaw::PemHex
    } else {
        Flaw::PemMissing
    }
}

/// Whether the text is the base64 of a key, without the lines around it.
fn is_bare(text: &str) -> bool {
    let one_line = zeroize::Zeroizing::new(text.split_ascii_whitespace().collect::<String>());
    encoding::base64(&one_line).is_some_and(|bytes| is_der(&bytes))
}

/// Whether the bytes are one DER sequence, as every key is.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    let (header, len) = match bytes {
        [0x30, len @ 0..=0x7f, ..] => (2, usize::from(*len)),
        [0x30, 0x81, len, ..] => (3, usize::from(*len)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
        _ => return false,
    };
    // The loader takes a byte off that is a line break by chance.
    let total = header + len;
    len > 0 && (bytes.len() == total || bytes.len() + 1 == total)
}
