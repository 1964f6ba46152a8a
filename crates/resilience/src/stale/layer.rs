//! The layer.

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{Stale, StaleCopies};

/// Serves the last good response in place of a failure. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct StaleLayer {
    copies: Option<StaleCopies>,
}

impl StaleLayer {
    pub(super) const fn new(copies: StaleCopies) -> Self {
        Self { copies: Some(copies) }
    }

    /// The layer that keeps nothing.
    pub const fn off() -> Self {
        Self { copies: None }
    }

    /// Reports to `telemetry`, unless the copies have an observer already.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        if let Some(copies) = &self.copies {
            copies.report_to(telemetry);
        }
        self
    }
}

impl<S> Layer<S> for StaleLayer {
    type Service = Stale<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stale::new(inner, self.copies.clone())
    }
}
