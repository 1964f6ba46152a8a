//! What a one-time token is for.

use std::time::Duration;

/// The purpose of a one-time token. A token is valid for its own purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// A short number that the subject types, sent to one of the subject's devices.
    Code,
    /// A link that proves that its reader receives mail under an address.
    EmailVerification,
    /// A link that logs its reader in.
    MagicLink,
    /// A link with which its reader chooses a new password.
    PasswordReset,
}

impl Purpose {
    /// The purpose as one lowercase word, for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// How long a token lives by default: codes 10 minutes (OWASP ASVS 6.5.5), magic links 15,
    /// password resets 30, and e-mail verifications a day.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        Duration::from_secs(60 * self.facts().1)
    }

    /// The number in tokens. It never changes.
    pub(super) const fn number(self) -> u8 {
        self.facts().2
    }

    /// The word, the default lifetime in minutes, and the number.
    const fn facts(self) -> (&'static str, u64, u8) {
        match self {
            Self::Code => ("code", 10, 1),
            Self::EmailVerification => ("email_verification", 24 * 60, 2),
            Self::MagicLink => ("magic_link", 15, 3),
            Self::PasswordReset => ("password_reset", 30, 4),
        }
    }
}
