//! The layer.

use hardpoint_core::{Place, Refusals, StackLayer};
use tower_layer::Layer;

use super::MapProblems;

/// Gives every error the same format. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemLayer {
    refusals: Option<Refusals>,
}

impl ProblemLayer {
    /// Converts error responses into problems.
    pub const fn new() -> Self {
        Self { refusals: Some(Refusals::unset()) }
    }

    /// Does nothing: error responses are unchanged.
    pub const fn off() -> Self {
        Self { refusals: None }
    }

    /// Sets how problems are rendered. Default: as JSON, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|_own| refusals.clone()) }
    }
}

impl Default for ProblemLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ProblemLayer {
    type Service = MapProblems<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MapProblems::new(inner, self.refusals.clone())
    }
}

impl StackLayer for ProblemLayer {
    const PLACE: Place = Place::PROBLEM;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|own| own.or(refusals)) }
    }
}
