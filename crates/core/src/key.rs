//! Keys of rate limits and lockouts.

use std::{error::Error, fmt, net::IpAddr};

use crate::Head;

/// The bytes that distinguish one caller from another. A key borrows them from the request, holds
/// them inline, or owns them.
///
/// A store never keeps or sends a key as it is, but digests it first. The memory store uses a
/// digest key drawn at random when the process starts; a shared store uses one that all instances
/// hold. `Debug` shows only the length.
#[derive(Clone)]
pub struct Key<'a> {
    bytes: Repr<'a>,
}

#[derive(Clone)]
enum Repr<'a> {
    Borrowed(&'a [u8]),
    Inline { len: u8, buffer: [u8; Key::INLINE] },
    Owned(Box<[u8]>),
}

impl<'a> Key<'a> {
    /// The maximum number of bytes that a key holds inline.
    pub const INLINE: usize = 40;

    /// Creates a key that borrows its bytes.
    #[inline]
    #[must_use]
    pub const fn borrowed(bytes: &'a [u8]) -> Self {
        Self { bytes: Repr::Borrowed(bytes) }
    }

    /// Creates a key that holds a copy of `bytes` inline. Returns `None` if there are more than
    /// [`INLINE`](Self::INLINE) bytes.
    #[must_use]
    pub fn inline(bytes: &[u8]) -> Option<Key<'static>> {
        let mut buffer = [0; Key::INLINE];
        buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let len = u8::try_from(bytes.len()).ok()?;
        Some(Key { bytes: Repr::Inline { len, buffer } })
    }

    /// Creates one key from several parts, in this order. Different parts, or the same bytes
    /// divided differently, give a different key.
    ///
    /// Does not allocate if the parts, plus one byte for each, fit into [`INLINE`](Self::INLINE)
    /// bytes. Longer parts are copied to the heap.
    ///
    /// ```
    /// use hardpoint_core::Key;
    ///
    /// let tenant_and_route = |tenant, route| Key::from_parts(&[Key::borrowed(tenant), Key::borrowed(route)]);
    /// assert_eq!(tenant_and_route(b"acme", b"/a"), tenant_and_route(b"acme", b"/a"));
    /// assert_ne!(tenant_and_route(b"acme", b"/a"), tenant_and_route(b"acme/", b"a"));
    /// ```
    #[must_use]
    pub fn from_parts<const N: usize>(parts: &[Key<'_>; N]) -> Key<'static> {
        let mut buffer = [0; Key::INLINE];
        let mut rest = buffer.as_mut_slice();
        let fits = parts.iter().try_for_each(|part| {
            let bytes = part.as_bytes();
            let (length, after) = std::mem::take(&mut rest).split_first_mut()?;
            *length = u8::try_from(bytes.len()).ok()?;
            let (place, after) = after.split_at_mut_checked(bytes.len())?;
            place.copy_from_slice(bytes);
            rest = after;
            Some(())
        });
        let left = rest.len();
        if fits.is_some()
            && let Ok(len) = u8::try_from(Key::INLINE - left)
        {
            return Key { bytes: Repr::Inline { len, buffer } };
        }
        let size = |part: &Key<'_>| size_of::<usize>() + part.as_bytes().len();
        let mut bytes = Vec::with_capacity(parts.iter().map(size).sum());
        for part in parts {
            bytes.extend_from_slice(&part.as_bytes().len().to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Key { bytes: Repr::Owned(bytes.into()) }
    }

    /// Creates the key of an address: 4 bytes for IPv4, 16 for IPv6. An IPv4-mapped address has the
    /// key of the IPv4 address.
    #[inline]
    #[must_use]
    pub fn address(address: IpAddr) -> Key<'static> {
        let mut buffer = [0; Key::INLINE];
        let len = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let (head, _) = buffer.split_at_mut(4);
                head.copy_from_slice(&v4.octets());
                4
            }
            IpAddr::V6(v6) => {
                let (head, _) = buffer.split_at_mut(16);
                head.copy_from_slice(&v6.octets());
                16
            }
        };
        Key { bytes: Repr::Inline { len, buffer } }
    }

    /// The bytes that a store digests.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Repr::Borrowed(bytes) => bytes,
            Repr::Inline { len, buffer } => buffer.get(..usize::from(*len)).unwrap_or(buffer),
            Repr::Owned(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key([{} bytes])", self.as_bytes().len())
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key<'_> {}

/// Extracts the key of a request.
///
/// Implemented for functions `for<'a> fn(Head<'a>) -> Result<Key<'a>, KeyMissing>`. A closure needs
/// its signature spelled out, which `hardpoint_ratelimit::key::from_fn` does.
///
/// ```
/// use hardpoint_core::{Head, Key, KeyExtractor, KeyMissing};
///
/// struct Tenant;
///
/// impl KeyExtractor for Tenant {
///     fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
///         let tenant = head.headers.get("x-tenant").ok_or(KeyMissing::new("x-tenant"))?;
///         Ok(Key::borrowed(tenant.as_bytes()))
///     }
/// }
/// ```
pub trait KeyExtractor: Send + Sync + 'static {
    /// Returns the key of the request with this head.
    ///
    /// # Errors
    /// Returns [`KeyMissing`] if the request does not have the key. The caller decides how to treat
    /// such a request.
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing>;

    /// The part of the key that a request without the whole key has, so that requests with
    /// different parts can be counted apart. Default: none.
    fn known_part<'a>(&self, head: Head<'a>) -> Option<Key<'a>> {
        let _ = head;
        None
    }
}

impl<F> KeyExtractor for F
where
    F: for<'a> Fn(Head<'a>) -> Result<Key<'a>, KeyMissing> + Send + Sync + 'static,
{
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        self(head)
    }
}

/// The request does not have the key that an extractor looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMissing {
    what: &'static str,
}

impl KeyMissing {
    /// Creates the error. `what` names the missing part of the request, such as a header name or
    /// `client address`.
    #[must_use]
    pub const fn new(what: &'static str) -> Self {
        Self { what }
    }

    /// The missing part of the request.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for KeyMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request has no {}", self.what)
    }
}

impl Error for KeyMissing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_has_the_key_of_the_ipv4_address() {
        let mapped = Key::address("::ffff:203.0.113.9".parse().unwrap());
        let plain = Key::address("203.0.113.9".parse().unwrap());
        assert_eq!(mapped, plain);
        assert_eq!(plain.as_bytes(), [203, 0, 113, 9]);
        let v6 = Key::address("2001:db8::1".parse().unwrap());
        assert_eq!(v6.as_bytes().len(), 16);
    }

    #[test]
    fn inline_keys_hold_forty_bytes_and_no_more() {
        assert_eq!(Key::inline(&[7; 40]).unwrap().as_bytes(), [7; 40]);
        assert_eq!(Key::inline(&[7; 41]), None);
        assert_eq!(Key::inline(b"").unwrap().as_bytes(), b"");
    }

    #[test]
    fn parts_are_told_apart_wherever_they_are_divided() {
        let pair = |a: &'static [u8], b: &'static [u8]| {
            Key::from_parts(&[Key::borrowed(a), Key::borrowed(b)])
        };
        assert_eq!(pair(b"ab", b"c"), pair(b"ab", b"c"));
        assert_ne!(pair(b"ab", b"c"), pair(b"a", b"bc"));
        assert_ne!(pair(b"ab", b""), pair(b"", b"ab"));
        static LONG: [u8; 300] = [7; 300];
        assert_eq!(pair(&LONG, b"c"), pair(&LONG, b"c"));
        assert_ne!(pair(&LONG, b"c"), pair(b"c", &LONG));
        assert_ne!(pair(&LONG, b""), pair(&LONG[..299], &[7]));
        let full = Key::from_parts(&[Key::borrowed(&LONG[..39])]);
        assert_eq!(full.as_bytes().len(), 40);
    }

    #[test]
    fn debug_shows_the_length_alone() {
        assert_eq!(format!("{:?}", Key::borrowed(b"alice@example.org")), "Key([17 bytes])");
    }
}
