//! Why a token is refused.

use std::{error::Error, fmt};

pub use hardpoint_core::event::VerifyErrorKind;

use super::profile::Text;

/// A token is refused. The error contains no value of the token, only the name of a claim.
///
/// Both are for logs and metrics: clients learn only that the token is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    claim: Option<Text>,
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

    pub(super) fn about(kind: VerifyErrorKind, claim: impl Into<Text>) -> Self {
        Self { kind, claim: Some(claim.into()) }
    }
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        Self { kind, claim: None }
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
