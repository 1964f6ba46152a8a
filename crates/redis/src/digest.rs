//! Digests of keys.

use std::{fmt, hash::Hasher as _};

use aws_lc_rs::hkdf;
use hardpoint_core::{Key, Secret};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::ConfigError;

/// Digests the keys of limits, sessions and lockouts before they leave the process: 128 bits of
/// SipHash-2-4 under a key that all instances derive from one secret.
///
/// The server never sees an address, a name or a token. Without the secret, a reader of the digests
/// learns nothing about the keys, and a client cannot craft two keys with one digest. A digest has a
/// fixed length and contains no braces, so a client cannot choose the slot of a cluster either.
///
/// Instances that share state need the same secret. A new secret gives every key a new digest, so
/// limits start over.
///
/// ```
/// use hardpoint_core::{Key, Secret};
/// use hardpoint_redis::DigestKey;
///
/// let secret = Secret::<[u8]>::from(vec![7; 32]); // 32 random bytes that all instances hold
/// let key = DigestKey::derive(&secret)?;
/// let address = Key::address("203.0.113.9".parse()?);
/// assert_eq!(key.digest(&address), DigestKey::derive(&secret)?.digest(&address));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DigestKey {
    hasher: SipHasher24,
}

impl DigestKey {
    /// The fewest bytes of a secret.
    pub const MIN_SECRET: usize = 32;

    /// Derives the key from a secret of at least 32 random bytes, with HKDF-SHA-256 and a label of
    /// its own: the same secret may also derive other keys.
    ///
    /// # Errors
    /// [`ConfigError::ShortSecret`] if the secret is shorter.
    pub fn derive(secret: &Secret<[u8]>) -> Result<Self, ConfigError> {
        let given = secret.expose().len();
        if given < Self::MIN_SECRET {
            return Err(ConfigError::ShortSecret { given, least: Self::MIN_SECRET });
        }
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"hardpoint");
        let derived = Secret::<[u8; 16]>::from_fill(|key| {
            salt.extract(secret.expose())
                .expand(&[b"redis key digest v1"], Sixteen)
                .and_then(|okm| okm.fill(key))
        });
        match derived {
            Ok(key) => Ok(Self { hasher: SipHasher24::new_with_key(key.expose()) }),
            // HKDF-SHA-256 refuses only lengths above 8,160 bytes.
            Err(_) => Err(ConfigError::ShortSecret { given, least: Self::MIN_SECRET }),
        }
    }

    /// The digest of a key.
    #[must_use]
    pub fn digest(&self, key: &Key<'_>) -> u128 {
        let mut hasher = self.hasher;
        hasher.write(key.as_bytes());
        hasher.finish128().as_u128()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey([redacted])")
    }
}

struct Sixteen;

impl hkdf::KeyType for Sixteen {
    fn len(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DigestKey {
        DigestKey::derive(&Secret::from(vec![byte; 32])).unwrap()
    }

    #[test]
    fn a_digest_depends_on_the_secret_and_on_the_key_only() {
        let alice = Key::borrowed(b"alice");
        assert_eq!(key(1).digest(&alice), key(1).digest(&alice));
        assert_ne!(key(1).digest(&alice), key(2).digest(&alice));
        assert_ne!(key(1).digest(&alice), key(1).digest(&Key::borrowed(b"alicf")));
    }

    #[test]
    fn the_digest_stays_the_same_from_version_to_version() {
        // Instances of two versions run side by side during a deployment.
        assert_eq!(key(7).digest(&Key::borrowed(b"alice")), 0x65eaa1ef_dcb2c074_21cb7b49_9a6cc2dc);
    }

    #[test]
    fn a_short_secret_is_refused_and_debug_shows_nothing() {
        let refused = DigestKey::derive(&Secret::from(vec![7; 31]));
        assert!(matches!(refused, Err(ConfigError::ShortSecret { given: 31, least: 32 })));
        assert_eq!(format!("{:?}", key(7)), "DigestKey([redacted])");
    }
}
