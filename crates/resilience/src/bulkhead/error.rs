//! What a refused caller gets.

use std::{error::Error, fmt, sync::Arc};

/// A concurrency limit refused a call: as many calls as allowed are in flight, and the queue is full
/// or the call has waited for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkheadFull {
    limit: Arc<str>,
    waited: bool,
}

impl BulkheadFull {
    pub(super) const fn new(limit: Arc<str>, waited: bool) -> Self {
        Self { limit, waited }
    }

    /// The name of the concurrency limit.
    #[must_use]
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// Whether the call waited for a permit before it was refused.
    #[must_use]
    pub const fn has_waited(&self) -> bool {
        self.waited
    }
}

impl fmt::Display for BulkheadFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, waited } = self;
        if *waited {
            write!(f, "no permit of the concurrency limit `{limit}` became free in time")
        } else {
            write!(f, "the concurrency limit `{limit}` is reached")
        }
    }
}

impl Error for BulkheadFull {}
