//! The layer.

use hardpoint_core::{Head, Telemetry};
use tower_layer::Layer;

use super::{Bulkhead, ConcurrencyLimit, ConcurrencyLimits, limit::Answer};

/// Bounds the calls in flight. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct BulkheadLayer {
    limits: Limits,
}

/// The limits of a layer.
#[derive(Clone, Debug)]
pub(crate) enum Limits {
    Keyed(ConcurrencyLimits),
    Off,
    One(ConcurrencyLimit),
}

impl Limits {
    /// Asks the request's limit. `None` if there is none.
    #[inline]
    pub(crate) fn enter(&self, head: Head<'_>) -> Option<Answer> {
        match self {
            Self::One(limit) => Some(limit.enter()),
            Self::Keyed(limits) => Some(limits.with(head, ConcurrencyLimit::enter)),
            Self::Off => None,
        }
    }

    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        match self {
            Self::Keyed(limits) => limits.report_to(telemetry),
            Self::Off => {}
            Self::One(limit) => limit.report_to(telemetry),
        }
    }
}

impl BulkheadLayer {
    pub(super) const fn new(limit: ConcurrencyLimit) -> Self {
        Self { limits: Limits::One(limit) }
    }

    pub(super) const fn keyed(limits: ConcurrencyLimits) -> Self {
        Self { limits: Limits::Keyed(limits) }
    }

    /// The layer that bounds nothing.
    pub const fn off() -> Self {
        Self { limits: Limits::Off }
    }

    /// Reports refusals to `telemetry`, unless the limit has an observer already. It is the limit's:
    /// all of its layers report there.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        self.limits.report_to(telemetry);
        self
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, self.limits.clone())
    }
}
