//! The rules for new passwords.

use hardpoint_core::Secret;

/// The rules for a new password. None demands digits or symbols: they make passwords harder to
/// remember and hardly harder to guess (NIST SP 800-63B, OWASP ASVS 6.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PasswordPolicy {
    min_chars: usize,
}

impl PasswordPolicy {
    /// The longest password, in bytes: longer ones only take the hash function's time.
    pub const MAX_BYTES: usize = 1024;

    /// The shortest password, in characters. Default: 8, the least that ASVS 6.2.1 allows; it
    /// advises 15 where nothing but a password protects an account. 0 accepts the empty password.
    pub fn min_chars(mut self, chars: usize) -> Self {
        self.min_chars = chars;
        self
    }

    /// Checks a new password.
    ///
    /// # Errors
    /// [`WeakPassword`] says what to change, and can be shown to the user.
    pub fn check(&self, password: &Secret<str>) -> Result<(), WeakPassword> {
        let password = password.expose();
        if password.len() > Self::MAX_BYTES {
            return Err(WeakPassword::TooLong(Self::MAX_BYTES));
        }
        if password.chars().count() < self.min_chars {
            return Err(WeakPassword::TooShort(self.min_chars));
        }
        let mut chars = password.chars();
        let first = chars.next();
        if self.min_chars > 0 && chars.all(|next| Some(next) == first) {
            return Err(WeakPassword::OneCharacter);
        }
        Ok(())
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_chars: 8 }
    }
}

/// A password breaks the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakPassword {
    /// It repeats one character.
    #[error("use more than one character")]
    OneCharacter,
    /// It has more than so many bytes.
    #[error("use at most {0} bytes")]
    TooLong(usize),
    /// It has fewer than so many characters.
    #[error("use at least {0} characters")]
    TooShort(usize),
}
