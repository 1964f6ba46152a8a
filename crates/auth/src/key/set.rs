//! The keys of an issuer.

use std::{error::Error, fmt};

use serde_json::{Value, json};

use super::VerifyingKey;

/// The keys that an issuer's tokens may be signed with: the current one, and those before it whose
/// tokens are still about.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// The most keys of a set: an issuer has a few, and a longer list is a mistake.
    pub const MAX: usize = 100;

    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError`] if there is none, there are more than [`MAX`](Self::MAX), or one stands in it
    /// twice.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > Self::MAX {
            return Err(KeySetError::TooMany { given: keys.len() });
        }
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|other| other.key_id() == key.key_id()) {
                return Err(KeySetError::Duplicate { key_id: key.key_id().to_owned() });
            }
        }
        Ok(Self { keys })
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.key_id() == key_id)
    }

    /// The key, if there is only one.
    #[must_use]
    pub fn only(&self) -> Option<&VerifyingKey> {
        match self.keys.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }

    /// The set as a JSON Web Key Set (RFC 7517), to be served at `/.well-known/jwks.json`. It has
    /// public members alone: a set holds nothing else.
    #[must_use]
    pub fn to_jwks(&self) -> Value {
        json!({ "keys": self.keys.iter().map(VerifyingKey::to_jwk).collect::<Vec<_>>() })
    }
}

/// Keys that make no set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// One key stands in it twice.
    Duplicate {
        /// Its id.
        key_id: String,
    },
    /// There is no key, so no token could be verified.
    Empty,
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
                write!(f, "key {key_id} stands in the set twice; remove one of them")
            }
            Self::Empty => f.write_str("a key set needs at least one key"),
            Self::TooMany { given } => {
                write!(f, "a key set holds at most {} keys and was given {given}", KeySet::MAX)
            }
        }
    }
}

impl Error for KeySetError {}
