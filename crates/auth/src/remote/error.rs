//! Why keys could not be fetched.

use std::{error::Error, fmt, sync::Arc};

pub use hardpoint_core::event::RefreshErrorKind;

use super::FetchError;

/// Keys could not be fetched. The error contains nothing that the server sent.
#[derive(Clone, Debug)]
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
        let too_large = error.is_too_large();
        let kind =
            if too_large { RefreshErrorKind::TooLarge } else { RefreshErrorKind::Unreachable };
        Self { kind, source: Some(Arc::new(error)) }
    }
}

impl From<RefreshErrorKind> for RefreshError {
    fn from(kind: RefreshErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys could not be fetched: {}", self.kind.as_str())
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
