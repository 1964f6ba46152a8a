//! The keys of an issuer.

use std::{fmt, sync::OnceLock, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{KeyError, VerifyingKey, error::JWK_REPEATED, jwk::Jwk};

/// The keys that an issuer's tokens may be signed with: the current one, previous ones whose tokens
/// have not expired, and perhaps the next.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Member>,
}

/// A key of a set, and what belongs to it there.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: VerifyingKey,
    /// When the key stops verifying, since 1970.
    pub(crate) until: Duration,
    /// The first header that a signature of this key was verified with, encoded, and its `typ`. An
    /// issuer repeats the header in each token, so it need not be parsed again.
    header: OnceLock<(Box<str>, Option<Box<str>>)>,
}

impl Member {
    /// Keeps a header that was verified with this key.
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
    /// [`KeySetError`] if the set is empty, has more than [`MAX`](Self::MAX) keys or two with one id, or
    /// mixes secrets with public keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        Self::until(keys.into_iter().map(|key| (key, Duration::MAX)))
    }

    /// A set of keys that each verify until a time since 1970.
    pub(super) fn until(
        keys: impl IntoIterator<Item = (VerifyingKey, Duration)>,
    ) -> Result<Self, KeySetError> {
        let member = |(key, until)| Member { key, until, header: OnceLock::new() };
        let keys: Vec<_> = keys.into_iter().map(member).collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > Self::MAX {
            return Err(KeySetError::TooMany(keys.len()));
        }
        for (index, Member { key, .. }) in keys.iter().enumerate() {
            for Member { key: other, .. } in keys.iter().take(index) {
                if key.key_id() == other.key_id() {
                    return Err(KeySetError::Duplicate(key.key_id().to_owned()));
                }
                if key.algorithm().is_symmetric() != other.algorithm().is_symmetric() {
                    return Err(KeySetError::Mixed);
                }
            }
        }
        Ok(Self { keys })
    }

    /// The set that accepts no token: remote keys before the first fetch.
    #[cfg(feature = "remote")]
    pub(crate) const fn empty() -> Self {
        Self { keys: Vec::new() }
    }

    /// Reads a JSON Web Key Set (RFC 7517 §5). An element that is not a usable verifying key is
    /// skipped and reported, so one bad key never loses the good ones.
    ///
    /// Of two keys with one id the first is used. The id of a key without `kid` is its thumbprint.
    ///
    /// # Errors
    /// [`KeySetError`] if the text is not a key set, lists more than [`MAX`](Self::MAX) keys, or has
    /// no usable key.
    pub fn from_jwks(json: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        Self::from_jwks_of(json, None)
    }

    /// The same without the keys that name another issuer than this one: such a key must not verify
    /// the tokens of another tenant.
    pub(crate) fn from_jwks_of(
        json: &[u8],
        issuer: Option<&str>,
    ) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        #[derive(Deserialize)]
        struct Jwks<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }

        let Jwks { keys: given } =
            serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        let mut given: Vec<_> = given.iter().map(|jwk| Jwk::parse(jwk.get().as_bytes())).collect();
        if let Some(issuer) = issuer {
            given.retain(|jwk| !jwk.as_ref().is_ok_and(|jwk| jwk.is_of_another(issuer)));
        }
        if given.len() > Self::MAX {
            return Err(KeySetError::TooMany(given.len()));
        }
        let mut keys: Vec<VerifyingKey> = Vec::with_capacity(given.len());
        let mut skipped = Vec::new();
        for (position, jwk) in given.iter().enumerate() {
            let read = jwk.as_ref().map_err(|reason| *reason).and_then(VerifyingKey::read_jwk);
            let is_new =
                |key: &VerifyingKey| keys.iter().all(|other| other.key_id() != key.key_id());
            match read.and_then(|key| if is_new(&key) { Ok(key) } else { Err(JWK_REPEATED) }) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let key_id = jwk.as_ref().ok().and_then(Jwk::key_id).map(str::to_owned);
                    skipped.push(SkippedKey { position, key_id, reason });
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable(skipped));
        }
        Ok((Self::new(keys)?, skipped))
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.member(key_id).map(|member| &member.key)
    }

    /// All keys.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.keys.iter().map(|member| &member.key)
    }

    /// The set as a JSON Web Key Set (RFC 7517), to be served at `/.well-known/jwks.json`. It
    /// contains only public members, and no secrets.
    #[must_use]
    pub fn to_jwks(&self) -> Value {
        let public = self.iter().filter(|key| !key.algorithm().is_symmetric());
        json!({ "keys": public.map(VerifyingKey::to_jwk).collect::<Vec<_>>() })
    }

    pub(crate) fn member(&self, key_id: &str) -> Option<&Member> {
        self.keys.iter().find(|member| member.key.key_id() == key_id)
    }

    /// The member, if there is only one.
    pub(crate) fn only_member(&self) -> Option<&Member> {
        if let [member] = self.keys.as_slice() { Some(member) } else { None }
    }

    /// The key that this very header was verified with before, and the header's `typ`.
    pub(crate) fn remembered(&self, header: &str) -> Option<(&Member, Option<&str>)> {
        self.keys.iter().find_map(|member| {
            let (known, kind) = member.header.get()?;
            (**known == *header).then_some((member, kind.as_deref()))
        })
    }

    /// When the key with this fingerprint stops verifying; `None` if the set does not contain it.
    pub(crate) fn verifies_until(&self, fingerprint: &[u8; 32]) -> Option<Duration> {
        let member = self.keys.iter().find(|member| member.key.fingerprint() == fingerprint)?;
        Some(member.until)
    }
}

/// A key of a JSON Web Key Set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its index in the set.
    pub position: usize,
    /// Its id, if it has one.
    pub key_id: Option<String>,
    /// Why it is not used.
    pub reason: KeyError,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_id {
            Some(key_id) => write!(f, "key {key_id} is not used: {}", self.reason),
            None => write!(f, "key number {} is not used: {}", self.position, self.reason),
        }
    }
}

/// Keys do not form a set, or a ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Two keys have this id.
    #[error("two keys of the set have the id {0}; remove or rename one")]
    Duplicate(String),
    /// The set is empty, so no token could be verified.
    #[error("the set has no key; add one")]
    Empty,
    /// The text is not a JSON Web Key Set.
    #[error("not a JSON Web Key Set, which is an object with a list `keys`")]
    Malformed,
    /// The set mixes secrets with public keys.
    #[error("the set mixes secrets with public keys; make two sets and trust the issuer with each")]
    Mixed,
    /// No key of the set is usable, for these reasons.
    #[error("{}", none_usable(.0))]
    NoneUsable(Vec<SkippedKey>),
    /// There are so many keys, more than an issuer has.
    #[error("the set has {0} keys; a key set has at most {max}", max = KeySet::MAX)]
    TooMany(usize),
    /// No key of the ring has this id.
    #[error("no key of the ring has the id {0}; use an id of its key set")]
    Unknown(String),
}

fn none_usable(skipped: &[SkippedKey]) -> String {
    let first = skipped.first().map(|first| format!("; the first: {first}"));
    let (count, first) = (skipped.len(), first.unwrap_or_default());
    format!("none of the {count} keys of the set is usable{first}")
}
