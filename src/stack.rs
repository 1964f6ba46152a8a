//! The order of layers, checked when the program is built.

use std::fmt;

use hardpoint_core::{Place, Refusals, StackLayer, Telemetry};
use tower_layer::Layer;

use crate::place::{self, Placed};

/// Puts layers around a service in the one order that works.
///
/// Layers in a wrong order look right and fail later: a limit outside of the client's address counts
/// the proxy, a panic outside of the record is never logged, a 429 outside of the security headers
/// goes out bare. `Stack` takes layers outermost first and refuses a wrong order when the program
/// is built.
///
/// # Example
/// ```
/// # #[cfg(feature = "full")] {
/// use hardpoint::{
///     Stack,
///     core::{ClientResolver, Event, Telemetry},
///     edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
///     observability::RecordLayer,
///     ratelimit::{Policy, Quota, RateLimitLayer, key},
/// };
///
/// let per_client =
///     Policy::new("client", Quota::per_second(200), key::client_network(ClientResolver::direct()));
/// let stack = Stack::new()
///     .telemetry(&Telemetry::new(|event: &Event<'_>| println!("{event:?}")))
///     .layer(ClientLayer::new(ClientResolver::direct()))
///     .layer(RecordLayer::new())
///     .layer(SecurityHeadersLayer::default())
///     .layer(ProblemLayer::new())
///     .layer(CatchPanicLayer::new())
///     .layer(RateLimitLayer::new(per_client)?)
///     .layer(BodyLimitLayer::new(64 * 1024));
/// // Router::new().route(..).layer(stack)
/// # let _ = stack;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A layer that belongs further out does not compile. `cargo build` and `cargo test` report it;
/// `cargo check` does not, because the order is checked when the code is generated.
///
/// ```compile_fail,E0080
/// # use hardpoint::{Stack, edge::{CatchPanicLayer, ProblemLayer}};
/// let stack = Stack::new()
///     .layer(CatchPanicLayer::new())
///     .layer(ProblemLayer::new()); // belongs outside of `CatchPanicLayer`
/// ```
///
/// # Semantics
/// The order, outermost first. Every layer is optional, and each place takes one layer of
/// hardpoint's.
///
/// | place | layer | why it is there |
/// |---|---|---|
/// | [`PROBES`](Place::PROBES) | `health::ProbeLayer` | answers probes even when everything else refuses |
/// | [`DRAIN`](Place::DRAIN) | `health::DrainLayer` | counts everything else as in flight until its body has ended |
/// | [`CLIENT_ADDRESS`](Place::CLIENT_ADDRESS) | `edge::ClientLayer` | the record and the limits need the client |
/// | [`RECORD`](Place::RECORD) | `observability::RecordLayer` | sees how everything inside ends |
/// | [`SECURITY_HEADERS`](Place::SECURITY_HEADERS) | `edge::SecurityHeadersLayer` | refusals carry them too |
/// | [`HTTPS`](Place::HTTPS) | `edge::HttpsLayer` | a preflight over plain HTTP must fail |
/// | [`CORS`](Place::CORS) | `edge::CorsLayer` | browsers may read refusals and their `Retry-After` |
/// | [`PROBLEM`](Place::PROBLEM) | `edge::ProblemLayer` | gives every error from inside one shape |
/// | [`CATCH_PANIC`](Place::CATCH_PANIC) | `edge::CatchPanicLayer` | a panic becomes an error that is shaped and recorded |
/// | [`DEADLINE`](Place::DEADLINE) | `resilience::DeadlineLayer` | ends late requests |
/// | [`RATE_LIMIT_BY_ADDRESS`](Place::RATE_LIMIT_BY_ADDRESS) | `ratelimit::RateLimitLayer` | a flood costs no cryptography |
/// | [`AUTH`](Place::AUTH) | `auth::AuthLayer` | authenticates the caller |
/// | [`REQUIRE`](Place::REQUIRE) | `auth::RequireLayer` | needs the caller |
/// | [`RATE_LIMIT_BY_SUBJECT`](Place::RATE_LIMIT_BY_SUBJECT) | `ratelimit::SubjectRateLimitLayer` | needs the caller |
/// | (before it) | a foreign layer, at [`place::Decoding`] | the body limit counts what was decoded |
/// | [`BODY_LIMIT`](Place::BODY_LIMIT) | `edge::BodyLimitLayer` | limits the body before a handler buffers it |
///
/// [`layer_at`](Self::layer_at) puts a foreign layer at an explicit place.
///
/// # Two stacks in one router
/// Routes outside of authentication need a stack that ends before it. [`inner`](Self::inner)
/// continues a stack for the other routes: its order is checked against the outer stack, and it
/// inherits telemetry and refusals.
///
/// ```
/// # #[cfg(feature = "full")] {
/// # use hardpoint::{Stack, edge::{BodyLimitLayer, CatchPanicLayer, ProblemLayer}};
/// let outer = Stack::new().layer(ProblemLayer::new()).layer(CatchPanicLayer::new());
/// let inner = outer.inner().layer(BodyLimitLayer::new(1024));
/// // protected.layer(inner).merge(public).fallback(not_found).layer(outer)
/// # let _ = inner;
/// # }
/// ```
///
/// Without the fallback, the protected part answers unknown paths, and so with 401. Authentication
/// never decides by the absence of a route: every path that its own fallback does not answer needs
/// a token.
///
/// # Sharing
/// A stack is one layer: clones share what its layers share.
///
/// # Where to put it
/// On `Router::layer`, where the matched route is known. In axum that includes merged and nested
/// routers and fallbacks which were added to the router before the call; a fallback that is added
/// later is outside of every limit.
#[derive(Clone)]
#[must_use = "a stack does nothing until it is applied to a service"]
pub struct Stack<Top = Bottom, Rest = ()> {
    top: Top,
    rest: Rest,
    telemetry: Telemetry,
    refusals: Refusals,
}

impl Stack {
    /// A stack without layers, which changes nothing.
    pub const fn new() -> Self {
        Self { top: Bottom, rest: (), telemetry: Telemetry::none(), refusals: Refusals::unset() }
    }

    /// Hands `telemetry` to every layer of this stack and of its inner stacks. A layer that was
    /// given telemetry of its own keeps it.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), ..self }
    }
}

impl<Outer> Stack<After<Outer>> {
    /// Renders the refusals of this inner stack's layers for gRPC. Layers of the outer stack, such as
    /// the problem layer and the limit by address, render as they are told: give the outer stack
    /// [`Refusals::grpc_under`] the services' paths.
    pub fn grpc(self) -> Self {
        Self { refusals: self.refusals.grpc(), ..self }
    }
}

impl<Top: StackLayer> Stack<Top> {
    /// Hands `refusals` to every layer of this stack and of its inner stacks. A layer that was given
    /// refusals of its own keeps them. Default: problems as JSON, or the outer stack's.
    ///
    /// It comes before the first layer: called later, it does not compile.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self }
    }
}

impl<Top: StackLayer, Rest> Stack<Top, Rest> {
    /// Adds `layer` inside of those that were added before.
    ///
    /// `cargo build` fails if the layer belongs further out than the one before it, or at its place.
    pub fn layer<L: StackLayer>(self, layer: L) -> Stack<L, (Rest, Top)> {
        const {
            assert!(
                L::PLACE.is_inside(Top::PLACE),
                "this layer does not belong inside of the layer before it: \
                 see the table in the documentation of `hardpoint::Stack`"
            );
        }
        self.push(layer)
    }

    /// Adds a foreign layer at `place`, such as [`place::Decoding`] or [`place::AfterAuth`].
    ///
    /// `cargo build` fails if the place is further out than the layer before it. Several foreign
    /// layers may share a place.
    ///
    /// The stack hands nothing to a layer that is added in this way: give one of hardpoint's its
    /// telemetry and refusals with its own setters.
    pub fn layer_at<P: place::At, L>(
        self,
        _place: P,
        layer: L,
    ) -> Stack<Placed<P, L>, (Rest, Top)> {
        const {
            assert!(
                !Top::PLACE.is_inside(P::PLACE),
                "this place is further out than the layer before it: \
                 see the table in the documentation of `hardpoint::Stack`"
            );
        }
        self.push(Placed::new(layer))
    }

    /// Applies the layers to `service`, where no router does it.
    pub fn service<S>(&self, service: S) -> Rest::Service
    where
        Top: Layer<S>,
        Rest: Layer<Top::Service>,
    {
        Layer::layer(self, service)
    }

    /// Begins a stack that is applied inside of this one, on a part of the router. Call it when this
    /// stack has all of its layers: those that are added later are not compared with the inner ones.
    pub fn inner(&self) -> Stack<After<Top>> {
        Stack {
            top: After::new(),
            rest: (),
            telemetry: self.telemetry.clone(),
            refusals: self.refusals.clone(),
        }
    }

    fn push<L: StackLayer>(self, layer: L) -> Stack<L, (Rest, Top)> {
        let Self { top, rest, telemetry, refusals } = self;
        let layer = layer.telemetry(&telemetry).refusals(&refusals);
        Stack { top: layer, rest: (rest, top), telemetry, refusals }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, Top, Rest> Layer<S> for Stack<Top, Rest>
where
    Top: Layer<S>,
    Rest: Layer<Top::Service>,
{
    type Service = Rest::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.rest.layer(self.top.layer(inner))
    }
}

impl<Top, Rest> fmt::Debug for Stack<Top, Rest> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

/// The top of a stack without layers.
#[derive(Clone, Copy, Debug)]
pub struct Bottom;

impl StackLayer for Bottom {
    const PLACE: Place = Place::OUTERMOST;
}

impl<S> Layer<S> for Bottom {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// The top of an [inner stack](Stack::inner) without layers: at the place of the outer stack's last
/// layer.
pub struct After<Outer> {
    outer: std::marker::PhantomData<fn() -> Outer>,
}

impl<Outer> After<Outer> {
    const fn new() -> Self {
        Self { outer: std::marker::PhantomData }
    }
}

// Not derived: that would require `Outer: Clone`.
impl<Outer> Clone for After<Outer> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<Outer> fmt::Debug for After<Outer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

impl<Outer: StackLayer> StackLayer for After<Outer> {
    const PLACE: Place = Outer::PLACE;
}

impl<S, Outer> Layer<S> for After<Outer> {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}
