//! The layer.

use tower_layer::Layer;

use super::CatchPanic;

/// Answers for a handler that panicked. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct PanicLayer {
    on: bool,
}

impl PanicLayer {
    /// Catches panics.
    pub const fn new() -> Self {
        Self { on: true }
    }

    /// Does nothing: a panic unwinds further.
    pub const fn off() -> Self {
        Self { on: false }
    }
}

impl Default for PanicLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for PanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic::new(inner, self.on)
    }
}
