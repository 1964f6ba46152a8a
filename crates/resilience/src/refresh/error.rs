//! The error of a call without a credential.

use std::{error::Error, fmt};

use crate::BoxError;

/// A call was not sent because no credential could be obtained.
#[derive(Debug)]
pub struct RefreshFailed {
    source: Option<BoxError>,
}

impl RefreshFailed {
    pub(super) const fn new(source: Option<BoxError>) -> Self {
        Self { source }
    }

    /// Whether the function was not called, because it was called too short a time ago.
    #[must_use]
    pub const fn is_too_soon(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for RefreshFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "no credential could be obtained",
            None => "no credential could be obtained shortly before",
        })
    }
}

impl Error for RefreshFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
