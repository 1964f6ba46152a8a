//! The keys of an issuer.

use std::{fmt, sync::OnceLock, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Algorithm, KeyError, VerifyingKey,
    error::{JWK_CROWDED, JWK_NOT_ALLOWED, JWK_REPEATED},
    jwk::{Jwk, VERIFY},
};

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
    /// The only issuer whose tokens the key verifies, as the set names it.
    pub(crate) issuer: Option<Box<str>>,
    /// The first header that a signature of this key was verified with, encoded, and its `typ`. An
    /// issuer repeats the header in each token, so it need not be parsed again.
    header: OnceLock<(Box<str>, Option<Box<str>>)>,
}

impl Member {
    fn new(key: VerifyingKey, until: Duration, issuer: Option<&str>) -> Self {
        Self { key, until, issuer: issuer.map(Into::into), header: OnceLock::new() }
    }

    fn is(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.key.key_id() == key_id && self.key.algorithm() == algorithm
    }

    /// Keeps a header that was verified with this key.
    pub(crate) fn remember(&self, header: &str, kind: Option<&str>) {
        self.header.get_or_init(|| (header.into(), kind.map(Into::into)));
    }
}

impl KeySet {
    /// The most keys of a set: an issuer has a few, and a longer list is a mistake.
    pub const MAX: usize = 100;
    /// How many keys of a JWK Set may share an id and an algorithm. A token is tried with each.
    pub(crate) const MAX_SAME: usize = 4;

    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError`] if the set is empty, has more than [`MAX`](Self::MAX) keys or two with one id and
    /// one algorithm, or mixes secrets with public keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        Self::until(keys.into_iter().map(|key| (key, Duration::MAX)))
    }

    /// A set of keys that each verify until a time since 1970.
    pub(super) fn until(
        keys: impl IntoIterator<Item = (VerifyingKey, Duration)>,
    ) -> Result<Self, KeySetError> {
        let keys: Vec<_> =
            keys.into_iter().map(|(key, until)| Member::new(key, until, None)).collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        if keys.len() > Self::MAX {
            return Err(KeySetError::TooMany(keys.len()));
        }
        for (index, Member { key, .. }) in keys.iter().enumerate() {
            for Member { key: other, .. } in keys.iter().take(index) {
                if key.key_id() == other.key_id() && key.algorithm() == other.algorithm() {
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
    /// The order of the list does not matter: a token is verified with the keys that have its key id and
    /// its algorithm. The id of a key without `kid` is its thumbprint. A key that names an `issuer`, as
    /// those of Entra do, verifies only tokens of that issuer.
    ///
    /// # Errors
    /// [`KeySetError`] if the text is not a key set, lists more than [`MAX`](Self::MAX) keys, or has
    /// no usable key.
    pub fn from_jwks(json: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        Self::from_jwks_for(json, &[])
    }

    /// The same, with only the keys of these algorithms, unless the list is empty. A key that does not
    /// name its algorithm is used for each one of the list that takes such a key.
    ///
    /// # Errors
    /// As [`from_jwks`](Self::from_jwks).
    pub fn from_jwks_for(
        json: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        #[derive(Deserialize)]
        struct Jwks<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }

        // Some servers send a byte order mark, which JSON does not have (RFC 8259 §8.1).
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let Jwks { keys: given } =
            serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        if given.len() > Self::MAX {
            return Err(KeySetError::TooMany(given.len()));
        }
        let mut keys = Vec::with_capacity(given.len());
        let mut skipped = Vec::new();
        for (position, jwk) in given.iter().enumerate() {
            let jwk = Jwk::parse(jwk.get().as_bytes());
            let read = jwk.as_ref().map_err(|reason| *reason);
            if let Err(reason) = read.and_then(|jwk| add(&mut keys, jwk, algorithms)) {
                let key_id = jwk.as_ref().ok().and_then(Jwk::key_id).map(str::to_owned);
                skipped.push(SkippedKey { position, key_id, reason });
            }
        }
        match keys.len() {
            0 => Err(KeySetError::NoneUsable(skipped)),
            1..=Self::MAX => Ok((Self { keys }, skipped)),
            more => Err(KeySetError::TooMany(more)),
        }
    }

    /// The first key with this id. Keys of several algorithms may share one.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.iter().find(|key| key.key_id() == key_id)
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

    /// Whether each key of another set is restricted to the same issuer here.
    #[cfg(feature = "remote")]
    pub(crate) fn restricts_like(&self, other: &Self) -> bool {
        other.keys.iter().all(|new| {
            let same = |own: &&Member| own.key.fingerprint() == new.key.fingerprint();
            self.keys.iter().find(same).is_some_and(|own| own.issuer == new.issuer)
        })
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.keys
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

/// Adds a key of a JSON Web Key Set, once for each of its algorithms.
fn add(keys: &mut Vec<Member>, jwk: &Jwk, algorithms: &[Algorithm]) -> Result<(), KeyError> {
    let own = jwk.algorithm_for(VERIFY)?;
    let mut wanted: Vec<_> = algorithms
        .iter()
        .copied()
        .filter(|one| if jwk.names_algorithm() { *one == own } else { one.kind() == own })
        .collect();
    if algorithms.is_empty() {
        wanted.push(own);
    }
    if wanted.is_empty() {
        return Err(JWK_NOT_ALLOWED);
    }
    for algorithm in wanted {
        let key = VerifyingKey::read_jwk(jwk, algorithm)?;
        let mut same = keys.iter().filter(|other| other.is(key.key_id(), algorithm));
        if same.clone().any(|other| other.key.fingerprint() == key.fingerprint()) {
            return Err(JWK_REPEATED);
        }
        if same.nth(KeySet::MAX_SAME - 1).is_some() {
            return Err(JWK_CROWDED);
        }
        keys.push(Member::new(key, Duration::MAX, jwk.issuer()));
    }
    Ok(())
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
    /// Two keys of one algorithm have this id.
    #[error("two keys of the set have the id {0} and one algorithm; remove or rename one")]
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
