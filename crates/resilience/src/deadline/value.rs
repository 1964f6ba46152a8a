//! The deadline of an outgoing request.

use std::time::Duration;

use hardpoint_core::{Mono, RequestContext};
use http::Extensions;

/// When the caller of an outgoing request stops waiting, stored in the request's extensions.
///
/// A [`TimeoutLayer`](crate::TimeoutLayer) stores it, and retries end before it. An application may
/// insert one as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Mono);

impl Deadline {
    /// A deadline at this instant of the clock that the layers read.
    #[must_use]
    pub const fn at(instant: Mono) -> Self {
        Self(instant)
    }

    /// Finds the deadline of a request: the earlier one of the deadline in its extensions and that
    /// of the incoming request whose [`RequestContext`] it carries.
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<Self> {
        let own = extensions.get::<Self>().copied();
        let context = RequestContext::find(extensions).and_then(|context| context.deadline());
        match (own, context.map(Self)) {
            (Some(own), Some(context)) => Some(own.min(context)),
            (own, context) => own.or(context),
        }
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Mono {
        self.0
    }

    /// The time that is left. Zero if the deadline has passed.
    #[must_use]
    pub fn remaining(self, now: Mono) -> Duration {
        self.0.saturating_since(now)
    }
}
