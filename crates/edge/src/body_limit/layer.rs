//! The layer.

use std::{fmt, marker::PhantomData};

use tower_layer::Layer;

use super::{AsLimited, BodyLimit};

/// Refuses request bodies over a limit. See the [module docs](super).
#[must_use]
pub struct BodyLimitLayer<I = AsLimited> {
    limit: Option<u64>,
    inner_body: PhantomData<fn() -> I>,
}

impl BodyLimitLayer {
    /// The limit of [`default`](Self::default): 64 KiB.
    pub const DEFAULT_LIMIT: u64 = 64 * 1024;

    /// Accepts bodies of up to `limit` bytes.
    ///
    /// What a higher limit costs is memory, wherever a handler buffers: the limit for each request
    /// that is in flight. At 0 every body that is not empty is refused.
    pub const fn new(limit: u64) -> Self {
        Self::with(Some(limit))
    }

    /// Does nothing: bodies of any length pass, as the same type.
    pub const fn off() -> Self {
        Self::with(None)
    }
}

impl<I> BodyLimitLayer<I> {
    const fn with(limit: Option<u64>) -> Self {
        Self { limit, inner_body: PhantomData }
    }

    /// Hands bodies to the inner service as `J` makes them. Default: [`AsLimited`].
    pub const fn with_inner_body<J>(self) -> BodyLimitLayer<J> {
        BodyLimitLayer::with(self.limit)
    }
}

impl Default for BodyLimitLayer {
    /// 64 KiB: more than nearly every JSON request, and 64 MiB for a thousand of them at a time.
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl<S, I> Layer<S> for BodyLimitLayer<I> {
    type Service = BodyLimit<S, I>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyLimit::new(inner, self.limit)
    }
}

// Not derived: `I` is a name, no value of it exists.
impl<I> Clone for BodyLimitLayer<I> {
    fn clone(&self) -> Self {
        Self::with(self.limit)
    }
}

impl<I> fmt::Debug for BodyLimitLayer<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyLimitLayer").field("limit", &self.limit).finish()
    }
}
