//! The layer.

use hardpoint_core::{Place, Refusals, StackLayer};
use tower_layer::Layer;

use super::CatchPanic;

/// Responds on behalf of a handler that panicked. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct CatchPanicLayer {
    refusals: Option<Refusals>,
}

impl CatchPanicLayer {
    /// Catches panics.
    pub const fn new() -> Self {
        Self { refusals: Some(Refusals::unset()) }
    }

    /// Does nothing: panics keep unwinding.
    pub const fn off() -> Self {
        Self { refusals: None }
    }

    /// Sets how problems are rendered. Default: as JSON, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|_own| refusals.clone()) }
    }
}

impl Default for CatchPanicLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic::new(inner, self.refusals.clone())
    }
}

impl StackLayer for CatchPanicLayer {
    const PLACE: Place = Place::CATCH_PANIC;

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.map(|own| own.or(refusals)) }
    }
}
