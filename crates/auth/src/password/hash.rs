//! A stored hash.

use std::sync::Arc;

use argon2::{Algorithm, Params, Version, password_hash::phc};

use super::{Argon2Profile, PepperId, PepperRing, imported::Imported, keycloak, work::Work};

/// A stored hash that may be verified. `Debug` hides it: a hash can be attacked offline.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Arc<str>,
    pub(super) scheme: Scheme,
}

/// The parameters and the content of a hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Scheme {
    Argon2(Arc<Argon2Hash>),
    Imported(Arc<Imported>),
    /// No password matches.
    Unusable,
}

/// The content of an Argon2 hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    pub(super) work: Argon2Work,
    pub(super) salt: phc::Salt,
    pub(super) output: phc::Output,
    pub(super) pepper: Option<PepperId>,
}

/// What an Argon2 hash costs: two hashes with the same work take the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argon2Work {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) profile: Argon2Profile,
}

impl Argon2Work {
    /// What a new hash costs.
    pub(super) const fn new(profile: Argon2Profile) -> Self {
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, profile }
    }
}

impl PasswordHash {
    /// Reads a stored Argon2 hash: a PHC string, as this crate, the reference implementation and libraries
    /// of most languages write it; one with Django's prefix `argon2$`; or a credential of Keycloak, a JSON
    /// object with `secretData` and `credentialData`. Ignores line breaks at the end. Argon2i, Argon2d
    /// and version 16 are read too; log-ins replace them.
    ///
    /// Allocates no memory for the hash function: the hasher compares the parameters with its ceiling
    /// when it verifies.
    ///
    /// # Errors
    /// [`ParseHashError`] if the text is not an Argon2 hash.
    pub fn parse(text: &str) -> Result<Self, ParseHashError> {
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.starts_with('{') {
            return Ok(Self::from_parts(text, keycloak::parse(trimmed)?));
        }
        let phc = trimmed.strip_prefix("argon2$").map(|rest| format!("${rest}"));
        let phc = phc::PasswordHash::new(phc.as_deref().unwrap_or(trimmed));
        let argon2 = argon2_hash(&phc.map_err(|_| ParseHashError::Malformed)?)?;
        Ok(Self::from_parts(text, Scheme::Argon2(argon2.into())))
    }

    /// What is stored for an account that has no password, or a text that no reader of this type
    /// understands, such as Django's `!…`. A log-in to it is one to an account that does not exist, in its
    /// result and in its time, and [`as_str`](Self::as_str) is still the text that a new hash replaces.
    #[must_use]
    pub fn unusable(text: &str) -> Self {
        Self::from_parts(text, Scheme::Unusable)
    }

    pub(super) fn from_parts(text: &str, scheme: Scheme) -> Self {
        Self { text: text.into(), scheme }
    }

    /// The text to store: exactly what was read, or the PHC string of a new hash, which has fewer than 200
    /// bytes, in ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id of the pepper that this hash was made with.
    #[must_use]
    pub fn pepper(&self) -> Option<PepperId> {
        match &self.scheme {
            Scheme::Argon2(hash) => hash.pepper,
            Scheme::Imported(_) | Scheme::Unusable => None,
        }
    }

    /// The work of verifying this hash. `None` if no password matches.
    pub(super) fn work(&self) -> Option<Work> {
        match &self.scheme {
            Scheme::Argon2(hash) => Some(Work::Argon2(hash.work)),
            Scheme::Imported(hash) => Some(hash.work()),
            Scheme::Unusable => None,
        }
    }

    /// Whether a new hash would be made differently.
    pub(super) fn differs_from(
        &self,
        profile: Argon2Profile,
        peppers: Option<&PepperRing>,
    ) -> bool {
        match &self.scheme {
            Scheme::Argon2(hash) => {
                hash.work != Argon2Work::new(profile)
                    || hash.pepper != peppers.map(PepperRing::current)
                    || hash.salt.as_ref().len() < Argon2Profile::SALT
                    || hash.output.as_ref().len() < Argon2Profile::OUTPUT
            }
            Scheme::Imported(_) | Scheme::Unusable => true,
        }
    }
}

debug_only!(PasswordHash {});

fn argon2_hash(hash: &phc::PasswordHash) -> Result<Argon2Hash, ParseHashError> {
    let algorithm =
        Algorithm::new(hash.algorithm.as_str()).map_err(|_| ParseHashError::Algorithm)?;
    // Hashes from before the version was written have version 16 (RFC 9106 is version 19).
    let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from);
    let version = version.map_err(|_| ParseHashError::Algorithm)?;
    let params = Params::try_from(hash).map_err(|_| ParseHashError::Malformed)?;
    let pepper = match params.keyid() {
        [] => None,
        id => Some(PepperId::from_bytes(id).ok_or(ParseHashError::Malformed)?),
    };
    if !params.data().is_empty() {
        return Err(ParseHashError::Algorithm);
    }
    let work = Argon2Work { algorithm, version, profile: Argon2Profile::from_params(&params) };
    match (hash.salt, hash.hash) {
        (Some(salt), Some(output)) => Ok(Argon2Hash { work, salt, output, pepper }),
        _ => Err(ParseHashError::Malformed),
    }
}

/// A text is not a hash that may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// Its algorithm is not one that can be verified.
    #[error(
        "the stored hash is not of Argon2 version 16 or 19; the feature imported-hashes reads others"
    )]
    Algorithm,
    /// It is not in a known format.
    #[error("the text is not a stored hash in a known format")]
    Malformed,
}
