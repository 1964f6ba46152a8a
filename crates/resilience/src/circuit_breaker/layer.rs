//! The layer.

use hardpoint_core::{Head, Telemetry};
use http::Request;
use tower_layer::Layer;

use super::{Circuit, CircuitBreaker, CircuitOpen, CircuitPermit, Circuits};

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
    /// Asks the request's circuit. `None` if there is none.
    #[inline]
    pub(crate) fn acquire<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Option<CircuitPermit>, CircuitOpen> {
        match self {
            Self::One(circuit) => circuit.acquire().map(Some),
            Self::Keyed(circuits) => circuits.with(Head::new(request), Circuit::acquire).map(Some),
            Self::Off => Ok(None),
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
        match &self.guard {
            Guard::Keyed(circuits) => circuits.report_to(telemetry),
            Guard::Off => {}
            Guard::One(circuit) => circuit.report_to(telemetry),
        }
        self
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(inner, self.guard.clone())
    }
}
