//! Why a token is refused.

use std::{error::Error, fmt};

pub use hardpoint_core::event::VerifyErrorKind;

/// A token is refused. The error contains nothing of the token.
///
/// The kind is for logs and metrics: clients learn only that the token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
}

impl VerifyError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token refused: {}", self.kind.as_str())
    }
}

impl Error for VerifyError {}
