//! The keys of an issuer.

use std::{error::Error, fmt, sync::OnceLock, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{KeyError, VerifyingKey, error::JWK_REPEATED, jwk::Jwk};

/// The keys that an issuer's tokens may be signed with: the current one, those before it whose
/// tokens are still about, and perhaps the next.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Member>,
}

/// A key of a set, and what belongs to it there.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: VerifyingKey,
    /// When the key stops to verify, since 1970.
    pub(crate) until: Duration,
    /// The first header that a signature of this key was verified with, as it was encoded, and its
    /// `typ`. An issuer writes the same one each time, so it need not be read again.
    header: OnceLock<(Box<str>, Option<Box<str>>)>,
}

impl Member {
    /// Takes note of a header that was verified with this key.
    pub(crate) fn remember(&self, header: &str, kind: Option<&str>) {
        self.header.get_or_init(|| (header.into(), kind.map(Into::into)));
    }
}

impl KeySet {
    /// The most keys of a set: an issuer has a few, and a longer list is a mistake.
    pub const MAX: usize = 100;

    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError`] if there is none, there are more than [`MAX`](Self::MAX), one stands in it
    /// twice, two have the same id, or secrets stand among public keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        Self::until(keys.into_iter().map(|key| (key, Duration::MAX)))
    }

    /// A set of keys that verify until a time since 1970 each.
    pub(super) fn until(
        keys: impl IntoIterator<Item = (VerifyingKey, Duration)>,
    ) -> Result<Self, KeySetError> {
        let member = |(key, until)| Member { key, until, header: OnceLock::new() };
        let keys: Vec<_> = keys.into_iter().map(member).collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > Self::MAX {
            return Err(KeySetError::TooMany { given: keys.len() });
        }
        for (index, Member { key, .. }) in keys.iter().enumerate() {
            for Member { key: other, .. } in keys.iter().take(index) {
                if key.key_id() == other.key_id() {
                    return Err(KeySetError::Duplicate { key_id: key.key_id().to_owned() });
                }
                if key.algorithm().is_symmetric() != other.algorithm().is_symmetric() {
                    return Err(KeySetError::Mixed);
                }
            }
        }
        Ok(Self { keys })
    }

    /// The set that accepts no token: remote keys before they have come.
    #[cfg(feature = "remote")]
    pub(crate) fn empty() -> Self {
        Self { keys: Vec::new() }
    }

    /// Reads a JSON Web Key Set (RFC 7517 §5). What is no key for verifying is left out and named:
    /// one bad key never loses the good ones. The whole has to be JSON that can be read, though: a number
    /// out of range or half of a surrogate pair, in whichever key, is none.
    ///
    /// Of two keys with one id the first is used. A key without an id is called by its thumbprint.
    ///
    /// # Errors
    /// [`KeySetError`] if it is no set, lists more than [`MAX`](Self::MAX) keys, or none of them can
    /// be used.
    pub fn from_jwks(json: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Jwk>,
        }

        let Jwks { keys: given } =
            serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        if given.len() > Self::MAX {
            return Err(KeySetError::TooMany { given: given.len() });
        }
        let mut keys: Vec<VerifyingKey> = Vec::with_capacity(given.len());
        let mut skipped = Vec::new();
        for (position, jwk) in given.iter().enumerate() {
            let read = VerifyingKey::of_jwk(jwk).and_then(|key| {
                let is_new = keys.iter().all(|other| other.key_id() != key.key_id());
                if is_new { Ok(key) } else { Err(JWK_REPEATED) }
            });
            match read {
                Ok(key) => keys.push(key),
                Err(reason) => skipped.push(SkippedKey { position, key_id: jwk.key_id(), reason }),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable { skipped });
        }
        Ok((Self::new(keys)?, skipped))
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.member(key_id).map(|member| &member.key)
    }

    /// The key, if there is only one.
    #[must_use]
    pub fn only(&self) -> Option<&VerifyingKey> {
        self.only_member().map(|member| &member.key)
    }

    /// All keys.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.keys.iter().map(|member| &member.key)
    }

    /// The set as a JSON Web Key Set (RFC 7517), to be served at `/.well-known/jwks.json`. It has
    /// public members alone; secrets are left out.
    #[must_use]
    pub fn to_jwks(&self) -> Value {
        let public = self.iter().filter(|key| !key.algorithm().is_symmetric());
        json!({ "keys": public.map(VerifyingKey::to_jwk).collect::<Vec<_>>() })
    }

    pub(crate) fn member(&self, key_id: &str) -> Option<&Member> {
        self.keys.iter().find(|member| member.key.key_id() == key_id)
    }

    pub(crate) fn only_member(&self) -> Option<&Member> {
        match self.keys.as_slice() {
            [member] => Some(member),
            _ => None,
        }
    }

    /// The key that this very header was verified with before, and its `typ`.
    pub(crate) fn remembered(&self, header: &str) -> Option<(&Member, Option<&str>)> {
        self.keys.iter().find_map(|member| {
            let (known, kind) = member.header.get()?;
            (**known == *header).then_some((member, kind.as_deref()))
        })
    }

    /// When the key with this fingerprint stops to verify; `None` if it is not in the set.
    pub(crate) fn verifies_until(&self, fingerprint: &[u8; 32]) -> Option<Duration> {
        let member = self.keys.iter().find(|member| member.key.fingerprint() == fingerprint)?;
        Some(member.until)
    }
}

/// A key of a JSON Web Key Set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    position: usize,
    key_id: Option<String>,
    reason: KeyError,
}

impl SkippedKey {
    /// Where it stands in the set, from 0.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Its id, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Why it is not used.
    #[must_use]
    pub const fn reason(&self) -> KeyError {
        self.reason
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_id {
            Some(key_id) => write!(f, "key {key_id} is not used: {}", self.reason),
            None => write!(f, "key number {} is not used: {}", self.position, self.reason),
        }
    }
}

/// Keys that make no set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// Two keys have one id.
    Duplicate {
        /// The id.
        key_id: String,
    },
    /// There is no key, so no token could be verified.
    Empty,
    /// The text is no JSON Web Key Set.
    Malformed,
    /// Secrets stand among public keys: whoever may verify with some could sign with others.
    Mixed,
    /// No key of the set can be used.
    NoneUsable {
        /// Why.
        skipped: Vec<SkippedKey>,
    },
    /// There are more keys than an issuer has.
    TooMany {
        /// How many.
        given: usize,
    },
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { key_id } => {
                write!(f, "key id {key_id} stands in the set twice; remove or rename one of them")
            }
            Self::Empty => f.write_str("a key set needs at least one key"),
            Self::Malformed => {
                f.write_str("not a JSON Web Key Set, which is an object with a list `keys`")
            }
            Self::Mixed => f.write_str(
                "a set holds either public keys or secrets; make one verifier for each of the two",
            ),
            Self::NoneUsable { skipped } => match skipped.first() {
                None => f.write_str("the key set is empty"),
                Some(first) => write!(
                    f,
                    "none of the {} keys of the set can be used; the first: {first}",
                    skipped.len()
                ),
            },
            Self::TooMany { given } => {
                write!(f, "a key set holds at most {} keys and was given {given}", KeySet::MAX)
            }
        }
    }
}

impl Error for KeySetError {}
