//! Why a token is refused.

pub use hardpoint_core::event::VerifyErrorKind;

/// A token is refused. The error contains nothing of the token.
///
/// The kind is for logs and metrics: clients learn only that the token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token refused: {}", .kind.as_str())]
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
