//! The layer.

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{Circuit, CircuitBreaker, Circuits};

/// Refuses calls to a destination that fails. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct CircuitBreakerLayer {
    guard: Guard,
}

/// The circuits of a layer.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    Keyed(Circuits),
    Off,
    One(Circuit),
}

impl Guard {
    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        match self {
            Self::Keyed(circuits) => circuits.report_to(telemetry),
            Self::Off => {}
            Self::One(circuit) => circuit.report_to(telemetry),
        }
    }
}

impl CircuitBreakerLayer {
    pub(super) const fn new(circuit: Circuit) -> Self {
        Self { guard: Guard::One(circuit) }
    }

    pub(super) const fn keyed(circuits: Circuits) -> Self {
        Self { guard: Guard::Keyed(circuits) }
    }

    /// The layer that refuses nothing and records nothing.
    pub const fn off() -> Self {
        Self { guard: Guard::Off }
    }

    /// Reports changes and refusals to `telemetry`, unless the circuit has an observer already. It
    /// is the circuit's: all of its layers report there.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        self.guard.report_to(telemetry);
        self
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.guard.clone())
    }
}
