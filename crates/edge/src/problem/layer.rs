//! The layer.

use tower_layer::Layer;

use super::MapProblems;

/// Gives every error one shape. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemLayer {
    on: bool,
}

impl ProblemLayer {
    /// Answers errors with problems.
    pub const fn new() -> Self {
        Self { on: true }
    }

    /// Does nothing: errors stay as they are.
    pub const fn off() -> Self {
        Self { on: false }
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
        MapProblems::new(inner, self.on)
    }
}
