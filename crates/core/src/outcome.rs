//! How a request ended.

/// How a request ended, if the status does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The service or something it depends on failed.
    Failed,
    /// The handler panicked.
    Panicked,
    /// A policy rejected the client.
    Rejected,
    /// The service shed the request because of overload.
    Shed,
    /// A deadline passed.
    TimedOut,
}

impl Outcome {
    /// The outcome as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Rejected => "rejected",
            Self::Shed => "shed",
            Self::TimedOut => "timed_out",
        }
    }
}
