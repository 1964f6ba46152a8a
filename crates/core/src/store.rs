//! Stores outside of the process: why one did not decide, and who decides then.

use std::{error::Error, fmt};

use crate::event::StoreErrorKind;

/// Who decides while a remote store does not.
///
/// Each type that takes it names its default.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Everything proceeds, uncounted. A client that can slow the store down has no limit.
    Allow,
    /// Everything is refused with 503 and a `Retry-After`.
    Deny,
    /// This process decides, with a share of the limits above 0 and at most 1. Divide by the number
    /// of instances to keep the total; 1 lets every instance admit the whole limit.
    Local {
        /// The share.
        share: f32,
    },
    /// As [`Local`](Self::Local) for the length of a restart, 60 seconds by default, then as
    /// [`Deny`](Self::Deny) until the store decides again.
    LocalThenDeny {
        /// The share.
        share: f32,
    },
}

impl OnFailure {
    /// The share of the limits by which this process decides; `None` if it never does.
    #[must_use]
    pub const fn share(self) -> Option<f32> {
        match self {
            Self::Allow | Self::Deny => None,
            Self::Local { share } | Self::LocalThenDeny { share } => Some(share),
        }
    }
}

/// A store did not decide.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What failed.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Corrupt => "the store answered something that its protocol forbids",
            StoreErrorKind::Timeout => "the store did not answer in time",
            StoreErrorKind::Unavailable => "the store cannot be reached, or is full",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
