//! The layer.

use hardpoint_core::{Place, Refusals, StackLayer};
use tower_layer::Layer;

use super::MapProblems;

/// Gives every error the same format. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemLayer {
    refusals: Option<Refusals>,
    explain: bool,
}

impl ProblemLayer {
    /// Converts error responses into problems.
    pub const fn new() -> Self {
        Self { refusals: Some(Refusals::unset()), explain: false }
    }

    /// Does nothing: error responses are unchanged.
    pub const fn off() -> Self {
        Self { refusals: None, explain: false }
    }

    /// Sets how problems are rendered. Default: as JSON, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|_own| refusals.clone()), ..self }
    }

    /// Whether the text with which the service rejected a request (status 400 to 499, plain text)
    /// becomes the problem's `detail`, up to 1,024 bytes of it: axum's extractors write there which
    /// field is missing. Default: no, because handlers may write what is not for clients. It is
    /// logged in any case, at level `debug` and without the values that the client sent.
    pub const fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
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
        MapProblems::new(inner, self.refusals.clone(), self.explain)
    }
}

impl StackLayer for ProblemLayer {
    const PLACE: Place = Place::PROBLEM;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|own| own.or(refusals)), ..self }
    }
}
