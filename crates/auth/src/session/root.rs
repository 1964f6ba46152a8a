//! The root secret, and the keys derived from it.

use aws_lc_rs::{hkdf, hmac};
use hardpoint_core::Secret;
use zeroize::Zeroizing;

/// A secret from which a service derives its symmetric keys by HKDF (RFC 5869), with a label for
/// each purpose. `Debug` hides it.
///
/// Every derived key has an id, which is stored beside the data that the key made. So a root secret can
/// be replaced without ending sessions: [`previous`](Self::previous) secrets verify, and only the
/// current one makes anything new. To answer a leak, drop the leaked secret altogether.
///
/// ```
/// use hardpoint_auth::session::RootSecret;
/// use hardpoint_core::Secret;
///
/// let root = RootSecret::new(Secret::from(&[7; 32][..]))?;
/// let root = root.previous(Secret::from(&[6; 32][..]))?;
/// assert!(RootSecret::new(Secret::from(&b"too short"[..])).is_err());
/// # let _ = root;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RootSecret {
    current: hkdf::Prk,
    /// Those that only verify.
    previous: Vec<hkdf::Prk>,
}

impl RootSecret {
    /// The least length of a root secret, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// Takes a secret of at least 32 random bytes, as `openssl rand 32` makes them.
    ///
    /// # Errors
    /// [`RootSecretError`] if it is shorter.
    pub fn new(secret: Secret<[u8]>) -> Result<Self, RootSecretError> {
        Ok(Self { current: extract(secret)?, previous: Vec::new() })
    }

    /// Also verifies what was made under this earlier secret. Nothing new is made under it. May be
    /// called several times.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn previous(mut self, secret: Secret<[u8]>) -> Result<Self, RootSecretError> {
        self.previous.push(extract(secret)?);
        Ok(self)
    }

    /// The keys with this label: the current one and the previous ones.
    pub(crate) fn keys(&self, label: &'static str) -> DerivedKeys {
        let derive = |root| DerivedKey::new(root, label);
        DerivedKeys {
            current: derive(&self.current),
            previous: self.previous.iter().map(derive).collect(),
        }
    }
}

debug_only!(RootSecret {});

#[expect(clippy::needless_pass_by_value, reason = "the secret is wiped here")]
fn extract(secret: Secret<[u8]>) -> Result<hkdf::Prk, RootSecretError> {
    let bytes = secret.expose();
    if bytes.len() < RootSecret::MIN_BYTES {
        return Err(RootSecretError { found: bytes.len() });
    }
    Ok(hkdf::Salt::new(hkdf::HKDF_SHA256, b"hardpoint root secret v1").extract(bytes))
}

/// A root secret is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the root secret has {found} bytes; write at least 32, such as `openssl rand -base64 32`")]
pub struct RootSecretError {
    found: usize,
}

/// The keys with one label.
#[derive(Clone)]
pub(crate) struct DerivedKeys {
    current: DerivedKey,
    previous: Vec<DerivedKey>,
}

debug_only!(DerivedKeys {});

/// A key, and the id that is stored beside what it makes. The id is derived as well, so that every
/// instance with the same root agrees on it; it reveals nothing of the key.
#[derive(Clone)]
pub(crate) struct DerivedKey {
    id: u32,
    key: hmac::Key,
}

debug_only!(DerivedKey { id });

impl DerivedKeys {
    /// The key that makes new data.
    pub(crate) fn current(&self) -> &DerivedKey {
        &self.current
    }

    /// The keys that only verify.
    pub(crate) fn previous(&self) -> &[DerivedKey] {
        &self.previous
    }

    /// All keys, the current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &DerivedKey> {
        [&self.current].into_iter().chain(&self.previous)
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: u32) -> Option<&DerivedKey> {
        self.all().find(|key| key.id == id)
    }
}

impl DerivedKey {
    fn new(root: &hkdf::Prk, label: &'static str) -> Self {
        let id = expand(root, &[label.as_bytes(), b" id"]);
        let key = expand(root, &[label.as_bytes(), b" key"]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        Self { id: u32::from_be_bytes(first(&*id)), key }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The first bytes of the tag of these parts. The parts are fixed in number and in the lengths of all
    /// but the last, so that no two messages are the same.
    pub(crate) fn tag<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.key);
        parts.iter().for_each(|part| context.update(part));
        first(context.sign().as_ref())
    }
}

/// The first `N` bytes of a SHA-256 digest or an HMAC tag.
pub(crate) fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    const { assert!(N <= 32) };
    let Some(first) = digest.first_chunk() else { unreachable!("SHA-256 has 32 bytes") };
    *first
}

/// 32 bytes, of which fewer may be used: HKDF expands to the same first bytes at any length.
fn expand(root: &hkdf::Prk, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let expanded = root.expand(info, hkdf::HKDF_SHA256);
    // It expands to at most 8,160 bytes.
    let filled = expanded.and_then(|okm| okm.fill(&mut *out));
    assert!(filled.is_ok(), "HKDF expands to so few bytes");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: u8) -> RootSecret {
        RootSecret::new(Secret::from(&[byte; 32][..])).unwrap()
    }

    #[test]
    fn keys_differ_by_root_and_by_label_and_agree_on_every_instance() {
        let tag = |root: &RootSecret, label| {
            let keys = root.keys(label);
            let key = keys.current();
            (key.id(), key.tag::<32>(&[b"message"]))
        };
        assert_eq!(tag(&root(1), "a"), tag(&root(1), "a"));
        let others = [tag(&root(1), "a"), tag(&root(1), "b"), tag(&root(2), "a")];
        for (index, one) in others.iter().enumerate() {
            for other in &others[..index] {
                assert!(one.0 != other.0 && one.1 != other.1);
            }
        }
    }

    #[test]
    fn previous_roots_are_found_by_id_and_never_current() {
        let both = root(2).previous(Secret::from(&[1; 32][..])).unwrap().keys("a");
        let old = root(1).keys("a");
        let id = old.current().id();
        assert_eq!(both.find(id).unwrap().id(), id);
        assert_eq!(both.current().id(), root(2).keys("a").current().id());
        assert!(root(2).keys("a").find(id).is_none());
    }

    #[test]
    fn a_short_root_is_refused_with_its_length_and_without_its_bytes() {
        let error = RootSecret::new(Secret::from(&b"hunter2"[..])).unwrap_err().to_string();
        assert!(error.contains("7 bytes") && !error.contains("hunter2"), "{error}");
        assert!(!format!("{:?} {:?}", root(7), root(7).keys("a")).contains('7'));
    }
}
