//! The error of a call that took too long.

use std::{error::Error, fmt, time::Duration};

/// A call, or one attempt of it, took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Duration,
    /// Whether the caller's deadline ended the call before the limit.
    cut: bool,
}

impl TimedOut {
    pub(crate) const fn new(after: Duration) -> Self {
        Self { after, cut: false }
    }

    /// A call that had less time than its limit, because its caller's deadline came first.
    pub(crate) const fn cut(after: Duration) -> Self {
        Self { after, cut: true }
    }

    /// Whether the destination had less time than the limit. Such a call shows nothing about it.
    pub(crate) const fn is_cut(self) -> bool {
        self.cut
    }

    /// The time that the call had. Zero if its deadline had passed before it began.
    #[must_use]
    pub const fn after(self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.after.is_zero() {
            return f.write_str("the deadline passed before the call began");
        }
        write!(f, "the call took longer than {:?}", self.after)
    }
}

impl Error for TimedOut {}
