//! Text that can terminate neither its line nor its string.

use std::fmt::{self, Write};

/// The longest prefix of a value that is written, in bytes before escaping.
pub(super) const VALUE_MAX: usize = 8 * 1024;

/// Appended to a truncated value.
const CUT: &str = "[cut]";

/// Passes on the first [`VALUE_MAX`] bytes and drops the rest.
#[derive(Debug)]
pub(crate) struct Cut<W> {
    to: W,
    left: usize,
    cut: bool,
}

impl<W: Write> Cut<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, left: VALUE_MAX, cut: false }
    }
}

impl<W: Write> Write for Cut<W> {
    /// Truncating is not an error: a `Debug` that unwraps must not panic because of a log line.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Ok(());
        }
        let fits = text.floor_char_boundary(self.left);
        self.to.write_str(text.get(..fits).unwrap_or_default())?;
        self.left -= fits;
        if fits < text.len() {
            self.cut = true;
            self.to.write_str(CUT)?;
        }
        Ok(())
    }
}

/// Escapes, as in JSON, every character that could change how the text around it is parsed or
/// displayed: control characters (including ESC and newline), line separators, and characters that
/// change the direction of text. With `quoted`, also escapes the quote and the backslash.
#[derive(Debug)]
pub(super) struct Escape<'a> {
    pub(super) to: &'a mut String,
    pub(super) quoted: bool,
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if is_plain(text.as_bytes()) {
            self.to.push_str(text);
            return Ok(());
        }
        let mut written = 0;
        for (at, char) in text.char_indices() {
            if !(dangerous(char) || self.quoted && matches!(char, '"' | '\\')) {
                continue;
            }
            self.to.push_str(text.get(written..at).unwrap_or_default());
            written = at + char.len_utf8();
            match char {
                '"' => self.to.push_str("\\\""),
                '\\' => self.to.push_str("\\\\"),
                '\n' => self.to.push_str("\\n"),
                '\r' => self.to.push_str("\\r"),
                '\t' => self.to.push_str("\\t"),
                // All others are below U+10000: four digits are enough.
                other => write!(self.to, "\\u{:04x}", u32::from(other))?,
            }
        }
        self.to.push_str(text.get(written..).unwrap_or_default());
        Ok(())
    }
}

/// Whether a text is of printable ASCII without a quote or a backslash, as nearly every text in a
/// log is. Eight bytes at a time.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    // The last word overlaps the one before it. In a short text, blanks fill the rest of it.
    let last = text.last_chunk::<8>().copied().unwrap_or_else(|| {
        let mut last = [b' '; 8];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        last
    });
    words.iter().chain([&last]).all(|word| special(u64::from_ne_bytes(*word)) == 0)
}

/// Sets the highest bit of bytes that may need escaping. A byte above such a byte may be marked too,
/// so only zero is exact.
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;

    const fn repeat(byte: u8) -> u64 {
        ONES * byte as u64
    }

    let quote = (word ^ repeat(b'"')).wrapping_sub(ONES);
    let backslash = (word ^ repeat(b'\\')).wrapping_sub(ONES);
    let control = word.wrapping_sub(repeat(b' '));
    let delete = word.wrapping_add(ONES);
    (word | quote | backslash | control | delete) & HIGH
}

const fn dangerous(char: char) -> bool {
    matches!(
        char,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_plain_or_not_at_every_place() {
        for byte in 0..=u8::MAX {
            let plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
            for length in 1..20 {
                for place in 0..length {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    assert_eq!(is_plain(&text), plain, "{byte:#x} at {place} of {length}");
                }
            }
        }
        assert!(is_plain(b""));
    }
}
