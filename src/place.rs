//! Places for foreign layers: arguments of [`Stack::layer_at`](crate::Stack::layer_at).
//!
//! ```
//! # #[cfg(feature = "full")] {
//! use hardpoint::{Stack, edge::{BodyLimitLayer, ProblemLayer}, place};
//! use tower_layer::layer_fn;
//!
//! let decoding = layer_fn(|service: ()| service); // tower-http's RequestDecompressionLayer
//! let stack = Stack::new()
//!     .layer(ProblemLayer::new())
//!     .layer_at(place::Decoding, decoding)
//!     .layer(BodyLimitLayer::new(64 * 1024));
//! # let _ = stack;
//! # }
//! ```

use std::{fmt, marker::PhantomData};

use hardpoint_core::{Place, StackLayer};
use tower_layer::Layer;

/// A place that is known at compile time. Implement it for a unit type to name another one.
pub trait At {
    /// The place.
    const PLACE: Place;
}

/// Inside of the layers that find the client and record the request, and outside of everything
/// that refuses but `edge::HttpsLayer`: refusals carry the CORS headers, and browsers can read them. `edge::CorsLayer` is
/// there by itself.
#[derive(Clone, Copy, Debug)]
pub struct Cors;

impl At for Cors {
    const PLACE: Place = Place::CORS;
}

/// Directly inside of the record.
#[derive(Clone, Copy, Debug)]
pub struct AfterRecord;

impl At for AfterRecord {
    const PLACE: Place = Place::RECORD.after();
}

/// Directly inside of the layer that catches panics: foreign layers here may panic and refuse.
#[derive(Clone, Copy, Debug)]
pub struct AfterCatchPanic;

impl At for AfterCatchPanic {
    const PLACE: Place = Place::CATCH_PANIC.after();
}

/// At the place of `resilience::DeadlineLayer`: tower-http's `TimeoutLayer`, for example.
#[derive(Clone, Copy, Debug)]
pub struct Deadline;

impl At for Deadline {
    const PLACE: Place = Place::DEADLINE;
}

/// Where load shedding and concurrency limits belong.
#[derive(Clone, Copy, Debug)]
pub struct LoadShed;

impl At for LoadShed {
    const PLACE: Place = Place::LOAD_SHED;
}

/// Directly inside of the limit by address.
#[derive(Clone, Copy, Debug)]
pub struct AfterRateLimitByAddress;

impl At for AfterRateLimitByAddress {
    const PLACE: Place = Place::RATE_LIMIT_BY_ADDRESS.after();
}

/// Where protection against cross-site request forgery belongs, such as tower-http's `csrf`. Log-in
/// forms need it; requests with a cookie are checked by `auth::AuthLayer` itself.
#[derive(Clone, Copy, Debug)]
pub struct Csrf;

impl At for Csrf {
    const PLACE: Place = Place::CSRF;
}

/// Directly inside of authentication: foreign layers here can read the caller's identity.
#[derive(Clone, Copy, Debug)]
pub struct AfterAuth;

impl At for AfterAuth {
    const PLACE: Place = Place::AUTH.after();
}

/// Directly outside of the body limit: a layer that decodes request bodies, such as tower-http's
/// `RequestDecompressionLayer`. The limit then counts what was decoded.
#[derive(Clone, Copy, Debug)]
pub struct Decoding;

impl At for Decoding {
    const PLACE: Place = Place::RATE_LIMIT_BY_SUBJECT.after();
}

/// Innermost.
#[derive(Clone, Copy, Debug)]
pub struct Handler;

impl At for Handler {
    const PLACE: Place = Place::HANDLER;
}

/// A foreign layer at an explicit place.
pub struct Placed<P, L> {
    layer: L,
    place: PhantomData<fn() -> P>,
}

impl<P, L> Placed<P, L> {
    pub(crate) fn new(layer: L) -> Self {
        Self { layer, place: PhantomData }
    }
}

// Not derived: that would require `P: Clone`.
impl<P, L: Clone> Clone for Placed<P, L> {
    fn clone(&self) -> Self {
        Self::new(self.layer.clone())
    }
}

impl<P, L> fmt::Debug for Placed<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Placed")
    }
}

impl<P: At, L> StackLayer for Placed<P, L> {
    const PLACE: Place = P::PLACE;
}

impl<S, P, L: Layer<S>> Layer<S> for Placed<P, L> {
    type Service = L::Service;

    fn layer(&self, inner: S) -> L::Service {
        self.layer.layer(inner)
    }
}
