//! A hash as it is stored.

use std::{error::Error, fmt};

use argon2::{Params, password_hash::phc};

/// An Argon2id hash in the PHC string format, checked to be one that may be verified.
///
/// `Debug` hides it: a hash can be attacked offline.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
}

/// The most memory that a stored hash may ask for, in KiB.
const MAX_MEMORY: u32 = 64 * 1024;
/// The most passes that a stored hash may ask for.
const MAX_PASSES: u32 = 4;
/// The most lanes that a stored hash may ask for.
const MAX_LANES: u32 = 4;

impl PasswordHash {
    /// Reads a stored hash.
    ///
    /// # Errors
    /// [`ParseHashError`] if it is no Argon2id hash, or asks for more than 64 MiB, 4 passes or 4
    /// lanes: that is above every choice of OWASP's password storage cheat sheet but for 5 passes
    /// over 7 MiB, and a hash that was tampered with may ask for anything.
    pub fn parse(text: &str) -> Result<Self, ParseHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| ParseHashError::Malformed)?;
        parts(&hash)?;
        Ok(Self { text: text.to_owned() })
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn of(hash: &phc::PasswordHash) -> Self {
        Self { text: hash.to_string() }
    }

    /// What to hash with, and what must come out.
    pub(super) fn parts(&self) -> Result<Parts, ParseHashError> {
        let hash = phc::PasswordHash::new(&self.text).map_err(|_| ParseHashError::Malformed)?;
        parts(&hash)
    }
}

/// The parameters, the salt and the output of a stored hash.
pub(super) struct Parts {
    pub(super) params: Params,
    pub(super) salt: phc::Salt,
    pub(super) output: phc::Output,
}

fn parts(hash: &phc::PasswordHash) -> Result<Parts, ParseHashError> {
    if hash.algorithm.as_str() != "argon2id" || hash.version != Some(0x13) {
        return Err(ParseHashError::Algorithm);
    }
    let params = Params::try_from(hash).map_err(|_| ParseHashError::Malformed)?;
    if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err(ParseHashError::AboveCeiling);
    }
    match (hash.salt, hash.hash) {
        (Some(salt), Some(output)) => Ok(Parts { params, salt, output }),
        _ => Err(ParseHashError::Malformed),
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// A text that is no hash that may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseHashError {
    /// Its parameters are above the ceiling.
    AboveCeiling,
    /// It is not of Argon2id, version 19.
    Algorithm,
    /// It is no PHC string.
    Malformed,
}

impl fmt::Display for ParseHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveCeiling => "the stored hash asks for more than 64 MiB, 4 passes or 4 lanes",
            Self::Algorithm => "the stored hash is not of Argon2id version 19",
            Self::Malformed => "the stored hash is no PHC string",
        })
    }
}

impl Error for ParseHashError {}
