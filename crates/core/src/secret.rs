//! Values that must not leave the process by accident.

use std::{fmt, sync::Arc};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A secret in memory. `Debug` redacts it, `Display` and `Serialize` are not implemented, and
/// dropping it wipes the value.
///
/// The value has an allocation of its exact size, which is overwritten before it is freed.
/// Converting a `String` or `Vec` copies the content and wipes the whole capacity of the original,
/// so the allocator keeps no second copy.
///
/// `Clone` and `Deref` are not implemented, so code can copy the value only where it calls
/// [`expose`](Self::expose). To share one secret between several owners, use [`Arc`] (see
/// [`into_shared`]).
///
/// Wiping does not reach the buffers of the HTTP and TLS libraries that the value passed through,
/// the scratch buffer into which `serde_json` copies a string that contains an escape, the
/// environment block of the process, swap, and core dumps.
///
/// ```
/// use hardpoint_core::Secret;
///
/// let key = Secret::<str>::from(String::from("correct horse battery staple"));
/// assert_eq!(format!("{key:?}"), "Secret([redacted])");
/// assert!(key.ct_eq("correct horse battery staple"));
/// assert_eq!(key.expose().len(), 28);
/// ```
///
/// [`into_shared`]: Self::into_shared
pub struct Secret<T: ?Sized + Zeroize> {
    value: Box<T>,
}

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    ///
    /// The move can leave a copy in the caller's stack frame, which is not wiped. For keys of a
    /// fixed size, prefer [`Secret::from_fill`], which writes them in place.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { value: Box::new(value) }
    }
}

impl<const N: usize> Secret<[u8; N]> {
    /// Creates a key of `N` bytes. `fill` writes it in place, so no copy remains on the stack.
    ///
    /// # Errors
    /// Returns the error of `fill`, after wiping the half-written key.
    pub fn from_fill<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self { value: Box::new([0; N]) };
        fill(&mut secret.value)?;
        Ok(secret)
    }
}

impl<T: ?Sized + Zeroize> Secret<T> {
    /// Exposes the value. Searching for this name finds every use of a secret.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.value
    }

    /// Puts the secret behind a reference count, for several owners of one copy.
    #[must_use]
    pub fn into_shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

impl<T: ?Sized + Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether `other` has the same bytes. The comparison takes a time that depends only on the
    /// lengths.
    #[must_use]
    pub fn ct_eq(&self, other: impl AsRef<[u8]>) -> bool {
        let (ours, theirs): (&[u8], &[u8]) = ((*self.value).as_ref(), other.as_ref());
        ours.ct_eq(theirs).into()
    }
}

impl From<String> for Secret<str> {
    fn from(source: String) -> Self {
        Self::from(Zeroizing::new(source).as_str())
    }
}

impl From<&str> for Secret<str> {
    /// Copies the text. The original is not wiped, so prefer the conversion from `String`.
    fn from(source: &str) -> Self {
        Self { value: source.into() }
    }
}

impl From<Vec<u8>> for Secret<[u8]> {
    fn from(source: Vec<u8>) -> Self {
        Self::from(Zeroizing::new(source).as_slice())
    }
}

impl From<&[u8]> for Secret<[u8]> {
    /// Copies the bytes. The original is not wiped, so prefer the conversion from `Vec`.
    fn from(source: &[u8]) -> Self {
        Self { value: source.into() }
    }
}

impl<T: ?Sized + Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl<T: ?Sized + Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

#[cfg(feature = "serde")]
mod deserialize {
    use serde::{
        Deserialize, Deserializer,
        de::{Error, SeqAccess, Visitor},
    };
    use zeroize::Zeroizing;

    use super::Secret;

    impl<'de> Deserialize<'de> for Secret<str> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;

            impl Visitor<'_> for Text {
                type Value = Secret<str>;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a secret string")
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                    Ok(text.into())
                }

                fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                    Ok(text.into())
                }
            }

            deserializer.deserialize_string(Text)
        }
    }

    impl<'de> Deserialize<'de> for Secret<[u8]> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Bytes;

            impl<'de> Visitor<'de> for Bytes {
                type Value = Secret<[u8]>;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("secret bytes")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
                    while let Some(byte) = seq.next_element::<u8>()? {
                        if bytes.len() == bytes.capacity() {
                            // A vector that reallocates does not wipe its old buffer.
                            let mut larger = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
                            larger.extend_from_slice(&bytes);
                            bytes = larger;
                        }
                        bytes.push(byte);
                    }
                    Ok(bytes.as_slice().into())
                }
            }

            deserializer.deserialize_seq(Bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        let secret = Secret::<str>::from("hunter2");
        assert_eq!(
            format!("{secret:?} {:?}", Some(&secret)),
            "Secret([redacted]) Some(Secret([redacted]))"
        );
        let key = Secret::new([7_u8; 32]);
        assert!(!format!("{key:#?}").contains('7'));
    }

    #[test]
    fn a_string_with_spare_capacity_becomes_a_copy_of_its_exact_size() {
        let mut source = String::with_capacity(64);
        source.push_str("swordfish");
        let secret = Secret::<str>::from(source);
        assert_eq!(secret.expose(), "swordfish");
        assert_eq!(size_of_val(secret.expose()), 9);
    }

    #[test]
    fn comparison_looks_at_bytes_and_length() {
        let secret = Secret::<[u8]>::from(vec![1, 2, 3]);
        assert!(secret.ct_eq([1, 2, 3]));
        assert!(!secret.ct_eq([1, 2, 4]));
        assert!(!secret.ct_eq([1, 2]));
        assert!(!secret.ct_eq([]));
    }

    #[test]
    fn a_key_is_filled_in_place_and_a_failed_fill_is_an_error() {
        let key = Secret::<[u8; 4]>::from_fill(|bytes| {
            bytes.fill(9);
            Ok::<(), ()>(())
        });
        assert!(key.is_ok_and(|key| key.ct_eq([9; 4])));
        assert_eq!(Secret::<[u8; 4]>::from_fill(|_| Err("no entropy")).err(), Some("no entropy"));
    }
}
