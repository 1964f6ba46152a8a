//! The host that a client requested.

use std::{fmt, ops::Range};

use http::{HeaderValue, uri::Authority};

/// A host with an optional port, validated to contain nothing else. Cloning it does not allocate.
#[derive(Clone)]
pub struct Host {
    text: Repr,
}

#[derive(Clone)]
enum Repr {
    Authority(Authority),
    Header { value: HeaderValue, part: Range<usize> },
}

impl Host {
    /// The length of the longest accepted host, in bytes: a DNS name of 255, a colon and a port.
    pub const MAX_LEN: usize = 261;

    /// The host of a request's target (`:authority` in HTTP/2). Returns `None` if the authority
    /// contains user information or is not a valid host.
    #[must_use]
    pub fn from_authority(authority: &Authority) -> Option<Self> {
        valid(authority.as_str().as_bytes())
            .then(|| Self { text: Repr::Authority(authority.clone()) })
    }

    /// The host in these bytes of a header value.
    pub(super) fn from_header(value: &HeaderValue, part: Range<usize>) -> Option<Self> {
        let bytes = value.as_bytes().get(part.clone())?;
        valid(bytes).then(|| Self { text: Repr::Header { value: value.clone(), part } })
    }

    /// The host as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.text {
            Repr::Authority(authority) => authority.as_str(),
            Repr::Header { value, part } => value
                .as_bytes()
                .get(part.clone())
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
        }
    }

    /// The name or address without the port.
    #[must_use]
    pub fn name(&self) -> &str {
        let text = self.as_str();
        if text.starts_with('[') {
            return text.find(']').and_then(|end| text.get(..=end)).unwrap_or(text);
        }
        text.split_once(':').map_or(text, |(name, _port)| name)
    }
}

/// Accepts letters, digits and `. - _ : [ ]`, the characters of DNS names, addresses and ports.
fn valid(bytes: &[u8]) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    (1..=Host::MAX_LEN).contains(&bytes.len()) && bytes.iter().copied().all(allowed)
}

impl PartialEq for Host {
    /// Compares hosts without regard to the case of ASCII letters.
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for Host {}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.as_str()).finish()
    }
}
