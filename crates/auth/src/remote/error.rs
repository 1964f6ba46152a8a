//! Why keys could not be fetched.

use std::sync::Arc;

pub use hardpoint_core::event::RefreshErrorKind;

use super::FetchError;

/// Keys could not be fetched. The error contains nothing that the server sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("keys could not be fetched: {}", .kind.as_str())]
pub struct RefreshError {
    kind: RefreshErrorKind,
    source: Option<Arc<FetchError>>,
}

impl RefreshError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> RefreshErrorKind {
        self.kind
    }
}

impl From<FetchError> for RefreshError {
    fn from(error: FetchError) -> Self {
        let kind = match error {
            FetchError::TooLarge => RefreshErrorKind::TooLarge,
            FetchError::Unreachable(_) => RefreshErrorKind::Unreachable,
        };
        Self { kind, source: Some(Arc::new(error)) }
    }
}

impl From<RefreshErrorKind> for RefreshError {
    fn from(kind: RefreshErrorKind) -> Self {
        Self { kind, source: None }
    }
}
