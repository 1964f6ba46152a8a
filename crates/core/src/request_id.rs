//! The id of one request.

use std::fmt;

use http::HeaderValue;

/// The id of one request: 1 to 128 bytes of visible ASCII, ready to be sent as a header.
///
/// Cloning it does not allocate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The length of the longest accepted id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Accepts a header value of 1 to 128 bytes of `A-Z a-z 0-9 . _ : + / = -`.
    ///
    /// These bytes cannot break out of a log line, a header or a URL, so an id is safe from any
    /// sender.
    #[must_use]
    pub fn from_header(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let valid = (1..=Self::MAX_LEN).contains(&bytes.len())
            && bytes.iter().all(|byte| ALLOWED[usize::from(*byte)]);
        valid.then(|| Self(value.clone()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // All bytes are ASCII.
        std::str::from_utf8(self.0.as_bytes()).unwrap_or_default()
    }

    /// The id as a header value.
    #[must_use]
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

/// Whether an id may contain a byte.
static ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        allowed[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b':' | b'+' | b'/' | b'=' | b'-');
        byte += 1;
    }
    allowed
};

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_that_could_break_a_log_line_are_refused() {
        let header = |text: &str| HeaderValue::from_str(text).unwrap();
        assert!(RequestId::from_header(&header("0190a6b2-7b1c:7f00/a+b=_.")).is_some());
        for bad in ["", "a b", "a\"b", "a\\b", "a,b", "{}", "<script>", "a%0a", "caf\u{e9}"] {
            assert_eq!(RequestId::from_header(&header(bad)), None, "{bad:?}");
        }
        assert!(RequestId::from_header(&header(&"a".repeat(128))).is_some());
        assert_eq!(RequestId::from_header(&header(&"a".repeat(129))), None);
    }
}
