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
        match self {
            Self::Code => "code",
            Self::EmailVerification => "email_verification",
            Self::MagicLink => "magic_link",
            Self::PasswordReset => "password_reset",
        }
    }

    /// How long a token lives by default: codes 10 minutes (OWASP ASVS 6.5.5), magic links 15,
    /// password resets 30, and e-mail verifications a day.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        let minutes = match self {
            Self::Code => 10,
            Self::MagicLink => 15,
            Self::PasswordReset => 30,
            Self::EmailVerification => 24 * 60,
        };
        Duration::from_secs(60 * minutes)
    }

    /// The number in tokens. It never changes.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Code => 1,
            Self::EmailVerification => 2,
            Self::MagicLink => 3,
            Self::PasswordReset => 4,
        }
    }
}
