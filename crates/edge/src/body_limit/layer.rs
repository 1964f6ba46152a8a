//! The layer.

use hardpoint_core::{Place, Refusals, StackLayer};
use tower_layer::Layer;

use super::BodyLimit;

/// Rejects request bodies over a limit. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct BodyLimitLayer {
    limit: Option<u64>,
    refusals: Refusals,
}

impl BodyLimitLayer {
    /// The limit used by [`default`](Self::default): 64 KiB.
    pub const DEFAULT_LIMIT: u64 = 64 * 1024;

    /// Accepts bodies of up to `limit` bytes.
    ///
    /// A higher limit costs memory wherever a handler buffers: up to `limit` bytes for each request
    /// in flight. With 0, every body that is not empty is rejected.
    pub const fn new(limit: u64) -> Self {
        Self { limit: Some(limit), refusals: Refusals::unset() }
    }

    /// Disables the limit. The layer keeps its type.
    pub const fn off() -> Self {
        Self { limit: None, refusals: Refusals::unset() }
    }

    /// Sets how rejections are rendered. Default: as problems, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self }
    }
}

impl Default for BodyLimitLayer {
    /// 64 KiB: enough for nearly every JSON request, and 64 MiB for a thousand concurrent ones.
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimit<S>;

    fn layer(&self, inner: S) -> BodyLimit<S> {
        BodyLimit::new(inner, self.limit, self.refusals.clone())
    }
}

impl StackLayer for BodyLimitLayer {
    const PLACE: Place = Place::BODY_LIMIT;

    fn refusals(self, refusals: &Refusals) -> Self {
        let own = self.refusals.or(refusals);
        Self { refusals: own, limit: self.limit }
    }
}
