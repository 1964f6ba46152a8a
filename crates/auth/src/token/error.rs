//! Why a token is refused.

use std::{error::Error, fmt, time::Duration};

pub use hardpoint_core::event::VerifyErrorKind;

use super::profile::Text;

/// A token is refused. The error contains no value of the token, only the name of a claim.
///
/// Both are for logs and metrics: clients learn only that the token is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    claim: Option<Text>,
    retry_after: Option<Duration>,
}

impl VerifyError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// The claim that is missing, is of the wrong type, or is not as expected, if it is one.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }

    /// When the client may try again, if the error passes by itself.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(super) fn about(kind: VerifyErrorKind, claim: impl Into<Text>) -> Self {
        Self { kind, claim: Some(claim.into()), retry_after: None }
    }

    /// The client's network must wait this long before it names another unknown key.
    pub(super) fn too_many_key_ids(wait: Duration) -> Self {
        let kind = VerifyErrorKind::TooManyKeyIds;
        Self { kind, claim: None, retry_after: Some(wait) }
    }
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        Self { kind, claim: None, retry_after: None }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token refused: {}", self.kind.as_str())?;
        match self.claim() {
            Some(claim) => write!(f, ", claim `{}`", claim.escape_debug()),
            None => Ok(()),
        }
    }
}

impl Error for VerifyError {}
