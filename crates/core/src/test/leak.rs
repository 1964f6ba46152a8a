//! Searches for a secret in plain and in common reversible encodings.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The minimum length of a canary. Parts of the base64 of a shorter one can match by chance.
const MIN_LEN: usize = 8;

/// Searches for canaries in these forms: plain, in base64 (both alphabets, at any offset), in
/// hexadecimal, as a list of bytes, and each of these percent-encoded or escaped as in JSON or by
/// `Debug`, once or twice.
///
/// It does not find parts of a canary, or compressed or encrypted canaries.
pub struct LeakScanner {
    canaries: Vec<Vec<Pattern>>,
    /// Whether a pattern begins with these two bytes, so that a text is read once for all patterns.
    begins: Vec<bool>,
}

struct Pattern {
    form: &'static str,
    bytes: Vec<u8>,
}

/// A canary that was found. `Debug` and `Display` do not show the canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    name: String,
    canary: usize,
    form: &'static str,
}

impl LeakScanner {
    /// Creates a scanner for these canaries, each of at least eight bytes.
    ///
    /// # Panics
    /// If a canary is shorter, because a part of its base64 can match by chance, or without canaries.
    #[must_use]
    pub fn new<I>(canaries: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let canaries: Vec<_> =
            canaries.into_iter().map(|canary| patterns(canary.as_ref())).collect();
        assert!(!canaries.is_empty(), "a scanner needs at least one canary");
        let mut begins = vec![false; 1 << 16];
        for pattern in canaries.iter().flatten() {
            if let Some(begin) = begins.get_mut(beginning(&pattern.bytes)) {
                *begin = true;
            }
        }
        Self { canaries, begins }
    }

    /// Returns every canary that `bytes` contains, with the first form that matches.
    pub fn scan(&self, name: &str, bytes: impl AsRef<[u8]>) -> Vec<Leak> {
        let mut found: Vec<Option<&'static str>> = vec![None; self.canaries.len()];
        for view in views(bytes.as_ref()) {
            self.look(&view, &mut found);
        }
        let leaks = found.into_iter().enumerate();
        let leaks = leaks
            .filter_map(|(canary, form)| Some(Leak { name: name.to_owned(), canary, form: form? }));
        leaks.collect()
    }

    /// Adds the canaries that a text contains to those that were found.
    fn look(&self, text: &[u8], found: &mut [Option<&'static str>]) {
        for at in 0..text.len() {
            let rest = text.get(at..).unwrap_or_default();
            if !self.begins.get(beginning(rest)).is_some_and(|begins| *begins) {
                continue;
            }
            for (patterns, found) in self.canaries.iter().zip(&mut *found) {
                let pattern = || patterns.iter().find(|pattern| rest.starts_with(&pattern.bytes));
                *found = found.or_else(|| Some(pattern()?.form));
            }
        }
    }

    /// Asserts that `bytes` contains no canary.
    ///
    /// # Panics
    /// If it contains one. The message names its index and form, not its text.
    #[track_caller]
    pub fn assert_clean(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let leaks = self.scan(name, bytes);
        let leaks: Vec<_> = leaks.iter().map(Leak::to_string).collect();
        assert!(leaks.is_empty(), "{}", leaks.join("; "));
    }
}

impl fmt::Debug for LeakScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakScanner").field("canaries", &self.canaries.len()).finish()
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, canary, form } = self;
        write!(f, "{name} holds canary {canary} as {form}")
    }
}

fn patterns(canary: &[u8]) -> Vec<Pattern> {
    assert!(
        canary.len() >= MIN_LEN,
        "a canary of {} bytes can match by chance: use {MIN_LEN} or more",
        canary.len()
    );
    let joined = |format: fn(&u8) -> String, separator: &str| {
        let bytes: Vec<_> = canary.iter().map(format).collect();
        bytes.join(separator).into_bytes()
    };
    let mut patterns = vec![
        Pattern { form: "plain text", bytes: canary.to_vec() },
        Pattern { form: "hexadecimal", bytes: joined(|byte| format!("{byte:02x}"), "") },
        Pattern { form: "hexadecimal", bytes: joined(|byte| format!("{byte:02X}"), "") },
        Pattern { form: "a list of bytes", bytes: joined(u8::to_string, ",") },
    ];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for offset in 0..3 {
            patterns.push(Pattern { form: "base64", bytes: base64_at(canary, offset, &engine) });
        }
    }
    patterns
}

/// The base64 digits that depend only on `canary` when it is at this offset (modulo 3) in a longer
/// text.
fn base64_at(canary: &[u8], offset: usize, engine: &impl Engine) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(canary);
    let digits = engine.encode(&padded).into_bytes();
    let (first, last) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    digits.get(first..last).unwrap_or_default().to_vec()
}

/// The bytes unchanged, and decoded once and twice.
fn views(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut views = vec![bytes.to_vec()];
    let mut start = 0;
    for _round in 0..2 {
        let known = views.len();
        for index in start..known {
            let Some(view) = views.get(index).cloned() else {
                continue;
            };
            for undo in [percent_decode, form_decode, unescape] {
                let undone = undo(&view);
                if !views.contains(&undone) {
                    views.push(undone);
                }
            }
        }
        start = known;
    }
    // Lists of bytes may contain spaces or line breaks.
    let packed: Vec<_> = views.iter().map(|view| without_space(view)).collect();
    views.extend(packed);
    views
}

fn without_space(bytes: &[u8]) -> Vec<u8> {
    let kept = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    kept.copied().collect()
}

fn form_decode(bytes: &[u8]) -> Vec<u8> {
    let spaced: Vec<_> = bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced)
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        let escape = tail.split_at_checked(2);
        match escape.and_then(|(digits, after)| Some((hex_value(digits)?, after))) {
            Some((value, after)) if *byte == b'%' => {
                decoded.extend(u8::try_from(value));
                rest = after;
            }
            _ => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    decoded
}

/// Decodes the backslash escapes of JSON and `Debug`. Anything else is unchanged.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        let escape = (*byte == b'\\').then(|| byte_escape(tail).or_else(|| char_escape(tail)));
        if let Some((unescaped, after)) = escape.flatten() {
            plain.extend_from_slice(unescaped.as_bytes());
            rest = after;
        } else {
            plain.push(*byte);
            rest = tail;
        }
    }
    plain
}

/// Escapes such as `\n`, and `\xe9`, with which `Debug` escapes a byte.
fn byte_escape(text: &[u8]) -> Option<(Unescaped, &[u8])> {
    let (kind, after) = text.split_first()?;
    let byte = match kind {
        b'"' | b'\'' | b'/' | b'\\' => *kind,
        b'0' => 0,
        b'b' => 8,
        b'f' => 0xC,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => {
            let (digits, after) = after.split_at_checked(2)?;
            let byte = u8::try_from(hex_value(digits)?).ok()?;
            return Some((Unescaped::Byte([byte]), after));
        }
        _ => return None,
    };
    Some((Unescaped::Byte([byte]), after))
}

/// `\u00e9`, as in JSON, and `\u{e9}`, with which `Debug` escapes a character.
fn char_escape(text: &[u8]) -> Option<(Unescaped, &[u8])> {
    let text = text.strip_prefix(b"u")?;
    let (digits, after) = match text.strip_prefix(b"{") {
        Some(braced) => {
            let end = braced.iter().position(|&byte| byte == b'}')?;
            (braced.get(..end)?, braced.get(end + 1..)?)
        }
        None => text.split_at_checked(4)?,
    };
    let character = char::from_u32(hex_value(digits)?)?;
    Some((Unescaped::Char(character.to_string()), after))
}

enum Unescaped {
    Byte([u8; 1]),
    Char(String),
}

impl Unescaped {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => byte,
            Self::Char(character) => character.as_bytes(),
        }
    }
}

fn hex_value(digits: &[u8]) -> Option<u32> {
    let all_digits = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    u32::from_str_radix(text, 16).ok()
}

/// The first two bytes as a number.
fn beginning(bytes: &[u8]) -> usize {
    match bytes {
        [first, second, ..] => usize::from(*first) << 8 | usize::from(*second),
        _ => 0,
    }
}
