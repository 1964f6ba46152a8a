//! The hash functions. It blocks: everything here runs on a thread that has a turn.

use argon2::{Argon2, Params, password_hash::phc};

use super::{
    Argon2Profile, PasswordError, PasswordHash, PepperId, PepperRing, VerifiedPassword,
    arena::{Arena, Arenas},
    hash::{Argon2Hash, Argon2Work, Scheme},
    work::{KnownWork, Work},
};

/// The settings that the hashes of one hasher share.
pub(super) struct Engine {
    pub(super) profile: Argon2Profile,
    pub(super) peppers: Option<PepperRing>,
    pub(super) known: KnownWork,
    pub(super) arenas: Arenas,
}

impl Engine {
    pub(super) fn new(profile: Argon2Profile, peppers: Option<PepperRing>) -> Self {
        let known = KnownWork::new(Work::Argon2(Argon2Work::new(profile)));
        Self { profile, peppers, known, arenas: Arenas::default() }
    }

    /// Makes a new hash.
    pub(super) fn hash(&self, password: &str) -> Result<PasswordHash, PasswordError> {
        self.hash_in(&mut self.arenas.take(), password).ok_or(PasswordError::Failed)
    }

    /// Verifies a password as it was sent and, if that differs, in its normal form.
    pub(super) fn verify(
        &self,
        stored: Option<&PasswordHash>,
        sent: &str,
        normal: Option<&str>,
    ) -> Result<VerifiedPassword, PasswordError> {
        let mut arena = self.arenas.take();
        let works = self.known.with(stored.and_then(PasswordHash::work));
        // No early exit: the amount of work depends on the text that was sent, never on the
        // account.
        let as_sent = self.matches(&mut arena, &works, stored, sent)?;
        let as_normal = match normal {
            Some(normal) => self.matches(&mut arena, &works, stored, normal)?,
            None => as_sent,
        };
        if !(as_sent | as_normal) {
            return Err(PasswordError::Mismatch);
        }
        let is_outdated = !as_normal || stored.is_some_and(|stored| self.is_outdated(stored));
        let replacement = match is_outdated {
            // Without memory or randomness no replacement is made, and the log-in succeeds anyway.
            true => self.hash_in(&mut arena, normal.unwrap_or(sent)),
            false => None,
        };
        Ok(VerifiedPassword { replacement })
    }

    pub(super) fn is_outdated(&self, stored: &PasswordHash) -> bool {
        stored.differs_from(self.profile, self.peppers.as_ref())
    }

    /// The pepper that a stored hash needs.
    pub(super) fn pepper_of(&self, id: Option<PepperId>) -> Result<&[u8], PasswordError> {
        let Some(id) = id else { return Ok(&[]) };
        let pepper = self.peppers.as_ref().and_then(|peppers| peppers.find(id));
        pepper.ok_or(PasswordError::UnknownPepper(id))
    }

    /// Does all kinds of work, that of the stored hash with its own salt.
    fn matches(
        &self,
        arena: &mut Arena<'_>,
        works: &[Work],
        stored: Option<&PasswordHash>,
        password: &str,
    ) -> Result<bool, PasswordError> {
        let mut is_match = false;
        for work in works {
            let stored = stored.filter(|stored| stored.work().is_some_and(|own| own.is_like(work)));
            // The same code for a made-up hash, down to the address of each buffer: a processor takes a
            // hundredth longer or shorter for the same work with another one.
            let scheme = match stored {
                Some(stored) => Some(stored.scheme.clone()),
                None => work.made_up(self.peppers.as_ref().map(PepperRing::current)),
            };
            let matches = match (work, &scheme.ok_or(PasswordError::Failed)?) {
                (Work::Argon2(work), Scheme::Argon2(hash)) => {
                    let pepper = self.pepper_of(hash.pepper)?;
                    let (salt, length) = (hash.salt.as_ref(), hash.output.as_ref().len());
                    let mut output = [0; phc::Output::MAX_LENGTH];
                    let output = output.get_mut(..length).ok_or(PasswordError::Failed)?;
                    argon2(arena, work, pepper, salt, password, output)
                        .ok_or(PasswordError::Failed)?;
                    // Output compares in constant time.
                    phc::Output::new(output).is_ok_and(|output| output == hash.output)
                }
                (Work::Imported(all), Scheme::Imported(hash)) => {
                    hash.matches(password, all).ok_or(PasswordError::Failed)?
                }
                // Hashes of different kinds are never alike.
                _ => return Err(PasswordError::Failed),
            };
            is_match |= matches & stored.is_some();
        }
        Ok(is_match)
    }

    fn hash_in(&self, arena: &mut Arena<'_>, password: &str) -> Option<PasswordHash> {
        let (mut salt, mut output) = ([0; Argon2Profile::SALT], [0; Argon2Profile::OUTPUT]);
        getrandom::fill(&mut salt).ok()?;
        let current = self.peppers.as_ref().map(PepperRing::current);
        let pepper = current.and_then(|id| self.peppers.as_ref()?.find(id));
        let work = Argon2Work::new(self.profile);
        argon2(arena, &work, pepper.unwrap_or_default(), &salt, password, &mut output)?;
        let params = self.profile.params().ok()?;
        let mut params = phc::ParamsString::try_from(&params).ok()?;
        if let Some(id) = &current {
            params.add_b64_bytes("keyid", id.as_str().as_bytes()).ok()?;
        }
        let (salt, output) = (phc::Salt::new(&salt).ok()?, phc::Output::new(&output).ok()?);
        let text = phc::PasswordHash {
            algorithm: work.algorithm.ident(),
            version: Some(work.version.into()),
            params,
            salt: Some(salt),
            hash: Some(output),
        };
        let hash = Argon2Hash { work, salt, output, pepper: current };
        Some(PasswordHash::from_parts(&text.to_string(), Scheme::Argon2(hash.into())))
    }
}

/// One Argon2 hash. `None` if Argon2 refuses the parameters.
fn argon2(
    arena: &mut Arena<'_>,
    work: &Argon2Work,
    pepper: &[u8],
    salt: &[u8],
    password: &str,
    output: &mut [u8],
) -> Option<()> {
    let profile = work.profile;
    let params =
        Params::new(profile.memory_kib(), profile.passes(), profile.lanes(), Some(output.len()));
    let params = params.ok()?;
    let blocks = arena.blocks(params.block_count());
    let argon2 = Argon2::new_with_secret(pepper, work.algorithm, work.version, params).ok()?;
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks).ok()
}
