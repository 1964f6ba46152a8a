//! The layer.

use hardpoint_core::{Place, Refusals, StackLayer};
use tower_layer::Layer;

use super::BodyLimit;

/// Rejects request bodies over a limit. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct BodyLimitLayer {
    limits: Option<Limits>,
    refusals: Refusals,
}

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) body: u64,
    /// The limit of each message of gRPC, instead of the limit of the body.
    pub(super) message: Option<u64>,
    pub(super) encoded: bool,
}

impl BodyLimitLayer {
    /// The limit used by [`default`](Self::default): 64 KiB.
    pub const DEFAULT_LIMIT: u64 = 64 * 1024;

    /// Accepts bodies of up to `limit` bytes.
    ///
    /// A higher limit costs memory wherever a handler buffers: up to `limit` bytes for each request
    /// in flight. With 0, every body that is not empty is rejected.
    pub const fn new(limit: u64) -> Self {
        let limits = Limits { body: limit, message: None, encoded: false };
        Self { limits: Some(limits), refusals: Refusals::unset() }
    }

    /// Limits each message of gRPC to `limit` bytes, and not the length of the whole stream: for
    /// services that clients stream to for long. Default: the stream is limited like any body.
    ///
    /// Applies to requests whose rejections are rendered for gRPC ([`Refusals::grpc`],
    /// [`Refusals::grpc_under`]). A message is refused by its length prefix, before it is read. With
    /// 0, only empty messages pass.
    pub const fn grpc_messages(mut self, limit: u64) -> Self {
        if let Some(limits) = &mut self.limits {
            limits.message = Some(limit);
        }
        self
    }

    /// Passes on bodies with a `Content-Encoding`, and gRPC requests with a `grpc-encoding`.
    /// Default: they are rejected with 415, because the limit counts encoded bytes where they are
    /// not decoded yet, and 30 KB of gzip can be 30 MB of JSON.
    ///
    /// For a service that keeps encoded bodies as they are, or that limits what it decodes. A layer
    /// that decodes belongs outside of this one, which then counts decoded bytes and needs no
    /// setting.
    pub const fn allow_encoded(mut self) -> Self {
        if let Some(limits) = &mut self.limits {
            limits.encoded = true;
        }
        self
    }

    /// Disables the limit. The layer keeps its type.
    pub const fn off() -> Self {
        Self { limits: None, refusals: Refusals::unset() }
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
        BodyLimit::new(inner, self.limits, self.refusals.clone())
    }
}

impl StackLayer for BodyLimitLayer {
    const PLACE: Place = Place::BODY_LIMIT;

    fn refusals(self, refusals: &Refusals) -> Self {
        let own = self.refusals.or(refusals);
        Self { refusals: own, limits: self.limits }
    }
}
