//! The order of layers, kept whatever order they are given in.

use std::fmt;

use tower_layer::{Identity, Layer};

/// Puts layers around a service in the one order that works.
///
/// # What it protects against
/// Layers in the wrong order look right and are not: a limit outside the client's address counts the
/// proxy, a panic outside the record is never logged, a 429 outside the security headers goes out
/// bare. Each slot is filled by name, in any order, and each may stay empty.
///
/// # Example
/// ```
/// # #[cfg(feature = "full")] {
/// use hardpoint::{
///     Stack,
///     core::ClientResolver,
///     edge::{BodyLimitLayer, ClientLayer, PanicLayer, ProblemLayer, SecurityHeadersLayer},
///     observability::RecordLayer,
///     ratelimit::{Policy, Quota, RateLimitLayer, key},
/// };
///
/// let per_client =
///     Policy::new("client", Quota::per_second(200), key::client_network(ClientResolver::direct()));
/// let stack = Stack::new()
///     .body_limit(BodyLimitLayer::new(64 * 1024))
///     .rate_limit_by_address(RateLimitLayer::new(per_client)?)
///     .record(RecordLayer::new())
///     .client(ClientLayer::new(ClientResolver::direct()))
///     .security_headers(SecurityHeadersLayer::default())
///     .problem(ProblemLayer::new())
///     .catch_panic(PanicLayer::new());
/// // Router::new().route(..).layer(stack)
/// # let _ = stack;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Semantics
/// The order, outermost first:
///
/// | slot | why it stands there |
/// |---|---|
/// | [`probes`](Self::probes) | probes answer even when everything else refuses |
/// | [`drain`](Self::drain) | whatever is not a probe is in flight until its body has ended |
/// | [`client`](Self::client) | the record and the limits need to know who is calling |
/// | [`record`](Self::record) | sees how everything inside ends |
/// | [`security_headers`](Self::security_headers) | refusals carry them too |
/// | [`problem`](Self::problem) | gives every error of the layers inside one shape |
/// | [`catch_panic`](Self::catch_panic) | a panic becomes an error that is shaped and recorded |
/// | [`rate_limit_by_address`](Self::rate_limit_by_address) | no cryptography for a flood |
/// | [`authenticate`](Self::authenticate) | tells the subject |
/// | [`rate_limit_by_subject`](Self::rate_limit_by_subject) | needs the subject |
/// | [`body_limit`](Self::body_limit) | nobody reads a body that nobody may send |
///
/// A slot takes any layer, not only ours. Filling one twice replaces what was in it.
///
/// # Sharing
/// The stack is one layer: everything shares what its parts share.
///
/// # Where to put it
/// On `Router::layer`, where the matched route is known.
#[derive(Clone)]
#[must_use]
pub struct Stack<Slots = Empty> {
    slots: Slots,
}

/// A stack of empty slots.
type Empty = (
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
    Identity,
);

impl Stack {
    /// A stack of empty slots, which changes nothing.
    pub const fn new() -> Self {
        const I: Identity = Identity::new();
        Self { slots: (I, I, I, I, I, I, I, I, I, I, I) }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::type_complexity, reason = "a slot is a place in the tuple; users never write it")]
impl<A, B, C, D, E, F, G, H, I, J, K> Stack<(A, B, C, D, E, F, G, H, I, J, K)> {
    /// Answers probes: `health::ProbeLayer`.
    pub fn probes<L>(self, layer: L) -> Stack<(L, B, C, D, E, F, G, H, I, J, K)> {
        let (_, b, c, d, e, f, g, h, i, j, k) = self.slots;
        Stack { slots: (layer, b, c, d, e, f, g, h, i, j, k) }
    }

    /// Counts requests in flight, and asks clients to leave when the service ends:
    /// `health::DrainLayer`.
    pub fn drain<L>(self, layer: L) -> Stack<(A, L, C, D, E, F, G, H, I, J, K)> {
        let (a, _, c, d, e, f, g, h, i, j, k) = self.slots;
        Stack { slots: (a, layer, c, d, e, f, g, h, i, j, k) }
    }

    /// Finds out who is calling behind proxies: `edge::ClientLayer`.
    pub fn client<L>(self, layer: L) -> Stack<(A, B, L, D, E, F, G, H, I, J, K)> {
        let (a, b, _, d, e, f, g, h, i, j, k) = self.slots;
        Stack { slots: (a, b, layer, d, e, f, g, h, i, j, k) }
    }

    /// Gives the request its id and writes its access line: `observability::RecordLayer`.
    pub fn record<L>(self, layer: L) -> Stack<(A, B, C, L, E, F, G, H, I, J, K)> {
        let (a, b, c, _, e, f, g, h, i, j, k) = self.slots;
        Stack { slots: (a, b, c, layer, e, f, g, h, i, j, k) }
    }

    /// Headers that browsers protect users by: `edge::SecurityHeadersLayer`.
    pub fn security_headers<L>(self, layer: L) -> Stack<(A, B, C, D, L, F, G, H, I, J, K)> {
        let (a, b, c, d, _, f, g, h, i, j, k) = self.slots;
        Stack { slots: (a, b, c, d, layer, f, g, h, i, j, k) }
    }

    /// Gives every error one shape: `edge::ProblemLayer`.
    pub fn problem<L>(self, layer: L) -> Stack<(A, B, C, D, E, L, G, H, I, J, K)> {
        let (a, b, c, d, e, _, g, h, i, j, k) = self.slots;
        Stack { slots: (a, b, c, d, e, layer, g, h, i, j, k) }
    }

    /// Turns a panic into an answer: `edge::PanicLayer`.
    pub fn catch_panic<L>(self, layer: L) -> Stack<(A, B, C, D, E, F, L, H, I, J, K)> {
        let (a, b, c, d, e, f, _, h, i, j, k) = self.slots;
        Stack { slots: (a, b, c, d, e, f, layer, h, i, j, k) }
    }

    /// Limits each client address: `ratelimit::RateLimitLayer`.
    pub fn rate_limit_by_address<L>(self, layer: L) -> Stack<(A, B, C, D, E, F, G, L, I, J, K)> {
        let (a, b, c, d, e, f, g, _, i, j, k) = self.slots;
        Stack { slots: (a, b, c, d, e, f, g, layer, i, j, k) }
    }

    /// Tells who is calling from its credentials: `auth::AuthLayer`.
    pub fn authenticate<L>(self, layer: L) -> Stack<(A, B, C, D, E, F, G, H, L, J, K)> {
        let (a, b, c, d, e, f, g, h, _, j, k) = self.slots;
        Stack { slots: (a, b, c, d, e, f, g, h, layer, j, k) }
    }

    /// Limits each authenticated subject: `ratelimit::RateLimitLayer`.
    pub fn rate_limit_by_subject<L>(self, layer: L) -> Stack<(A, B, C, D, E, F, G, H, I, L, K)> {
        let (a, b, c, d, e, f, g, h, i, _, k) = self.slots;
        Stack { slots: (a, b, c, d, e, f, g, h, i, layer, k) }
    }

    /// Cuts bodies before they are buffered: `edge::BodyLimitLayer`.
    pub fn body_limit<L>(self, layer: L) -> Stack<(A, B, C, D, E, F, G, H, I, J, L)> {
        let (a, b, c, d, e, f, g, h, i, j, _) = self.slots;
        Stack { slots: (a, b, c, d, e, f, g, h, i, j, layer) }
    }
}

impl<S, Slots> Layer<S> for Stack<Slots>
where
    Slots: Layer<S>,
{
    type Service = Slots::Service;

    /// The first of the slots is the outermost layer.
    fn layer(&self, inner: S) -> Self::Service {
        self.slots.layer(inner)
    }
}

impl<Slots> fmt::Debug for Stack<Slots> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
