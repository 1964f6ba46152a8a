//! A stored hash.

use argon2::{Params, password_hash::phc};

/// An Argon2id hash in the PHC string format that may be verified.
///
/// `Debug` hides it: a hash can be attacked offline.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    pub(super) parts: Parts,
}

/// The most memory that a stored hash may demand, in KiB.
const MAX_MEMORY: u32 = 64 * 1024;
/// The most passes that a stored hash may demand.
const MAX_PASSES: u32 = 4;
/// The most lanes that a stored hash may demand.
const MAX_LANES: u32 = 4;

impl PasswordHash {
    /// Reads a stored hash.
    ///
    /// # Errors
    /// [`ParseHashError`] if the text is not an Argon2id hash, or demands more than 64 MiB, 4 passes
    /// or 4 lanes, since an altered hash may demand anything. The ceiling is above every choice of
    /// OWASP's password storage cheat sheet except for 5 passes over 7 MiB.
    pub fn parse(text: &str) -> Result<Self, ParseHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| ParseHashError::Malformed)?;
        Ok(Self { text: text.to_owned(), parts: parts(&hash)? })
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The parameters, the salt and the output of a stored hash.
#[derive(Clone, PartialEq, Eq)]
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

debug_only!(PasswordHash {});

/// A text is not a hash that may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHashError {
    /// Its parameters are above the ceiling.
    #[error("the stored hash demands more than 64 MiB, 4 passes or 4 lanes")]
    AboveCeiling,
    /// Its algorithm is not Argon2id, version 19.
    #[error("the stored hash is not of Argon2id version 19")]
    Algorithm,
    /// It is not a PHC string.
    #[error("the stored hash is not a PHC string")]
    Malformed,
}
