//! The distributed trace that a request belongs to (W3C Trace Context).

use std::fmt;

/// The id of a distributed trace: 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Creates an id from these bytes. Returns `None` if all are zero, which the standard defines
    /// as invalid.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Writes 32 lowercase hexadecimal digits into `buffer`, without formatting.
    #[must_use]
    pub fn encode(self, buffer: &mut [u8; 32]) -> &str {
        encode_hex(self.0, buffer)
    }
}

impl fmt::Display for TraceId {
    /// Writes 32 lowercase hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 32]))
    }
}

/// The id of one span within a trace: 8 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// Creates an id from these bytes. Returns `None` if all are zero, which the standard defines
    /// as invalid.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The 8 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Writes 16 lowercase hexadecimal digits into `buffer`, without formatting.
    #[must_use]
    pub fn encode(self, buffer: &mut [u8; 16]) -> &str {
        encode_hex(self.0, buffer)
    }
}

impl fmt::Display for SpanId {
    /// Writes 16 lowercase hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 16]))
    }
}

/// The trace that a request belongs to: the one that its `traceparent` names, or one that this
/// service started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span. `None` if the trace starts here.
    pub parent_id: Option<SpanId>,
    /// The caller's flags. Bit 0 is *sampled*.
    pub flags: u8,
}

impl TraceContext {
    /// Creates a trace context with these parts.
    #[must_use]
    pub const fn new(trace_id: TraceId, parent_id: Option<SpanId>, flags: u8) -> Self {
        Self { trace_id, parent_id, flags }
    }

    /// Whether the caller may have recorded the trace.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & 1 != 0
    }
}

fn encode_hex<const N: usize>(bytes: [u8; N], text: &mut [u8]) -> &str {
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = HEX[usize::from(byte)];
    }
    std::str::from_utf8(text).unwrap_or_default()
}

/// The two hexadecimal digits of each byte.
static HEX: [[u8; 2]; 256] = {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";

    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_zeroes_do_not_exist() {
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        assert_eq!(SpanId::from_bytes([0; 8]), None);
    }

    #[test]
    fn ids_are_written_as_hexadecimal_digits() {
        let id = TraceId::from_bytes(*b"0123456789abcdef").unwrap();
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(SpanId::from_bytes(*b"01234567").unwrap().to_string(), "3031323334353637");
    }
}
