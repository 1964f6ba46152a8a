//! What a refused caller gets.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// A circuit refused a call: the destination fails, or an operator opened the circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitOpen {
    circuit: Arc<str>,
    retry_after: Option<Duration>,
}

impl CircuitOpen {
    pub(super) const fn new(circuit: Arc<str>, retry_after: Option<Duration>) -> Self {
        Self { circuit, retry_after }
    }

    /// The circuit's name.
    #[must_use]
    pub fn circuit(&self) -> &str {
        &self.circuit
    }

    /// The time after which the circuit may pass a call again. `None` if an operator opened it.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit `{}` is open", self.circuit)
    }
}

impl Error for CircuitOpen {}
