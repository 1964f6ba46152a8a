//! The work of every verification, so that its time does not reveal the account.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc;

use super::{
    Argon2Profile, PepperId,
    hash::{Argon2Hash, Argon2Work, Scheme},
    imported::ImportedWork,
};

/// Work of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// One hash with exactly these parameters.
    Argon2(Argon2Work),
    /// A hash of another system, or the rest of a cheaper one.
    #[cfg_attr(
        not(feature = "imported-hashes"),
        expect(dead_code, reason = "only the feature reads such hashes")
    )]
    Imported(ImportedWork),
}

/// The kinds of work that stored hashes demand. Each verification does the most expensive work of
/// every kind, with the stored hash for its own kind and with made-up ones for the others. So a
/// hash of one kind takes as long as a hash of another, and as no hash at all: it runs the same
/// functions in the same sequence with the same parameters, and does not pad to a similar time.
pub(super) struct KnownWork {
    /// The first one is of new hashes.
    works: Mutex<Vec<Work>>,
}

impl KnownWork {
    /// The most kinds. A service that imported from two systems has three or four; a hash of a ninth
    /// kind is verified, but its time shows.
    pub(super) const MAX: usize = 8;

    pub(super) fn new(own: Work) -> Self {
        Self { works: Mutex::new(vec![own]) }
    }

    /// Adds the work of a stored hash, and returns all. A hash of an unknown kind makes every later
    /// verification as dear: what it may demand is bounded by the ceiling.
    pub(super) fn with(&self, stored: Option<Work>) -> Vec<Work> {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = stored else { return works.clone() };
        if let Some(known) = works.iter_mut().find(|work| work.is_like(&stored)) {
            known.raise_to(&stored);
        } else if works.len() < Self::MAX {
            works.push(stored);
        } else {
            return [&stored].into_iter().chain(works.iter()).copied().collect();
        }
        works.clone()
    }
}

impl Work {
    /// Whether the more expensive of the two can be done as the cheaper one plus a remainder.
    /// Different parameters of Argon2 cannot: the time of a block depends on the memory around it.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Imported(work), Self::Imported(other)) => work.is_like(other),
            _ => self == other,
        }
    }

    /// A hash that no password has, and that costs this work.
    pub(super) fn made_up(&self, pepper: Option<PepperId>) -> Option<Scheme> {
        Some(match self {
            Self::Argon2(work) => {
                let salt = phc::Salt::new(&[0; Argon2Profile::SALT]).ok()?;
                let output = phc::Output::new(&[0; Argon2Profile::OUTPUT]).ok()?;
                Scheme::Argon2(Argon2Hash { work: *work, salt, output, pepper }.into())
            }
            Self::Imported(work) => work.made_up(),
        })
    }

    fn raise_to(&mut self, other: &Self) {
        if let (Self::Imported(work), Self::Imported(other)) = (self, other) {
            work.raise_to(other);
        }
    }
}
