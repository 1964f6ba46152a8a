//! The contract that every hardpoint layer satisfies.
//!
//! Each function applies the layer under test to a [`Spy`], drives it without a runtime, and panics
//! with the rule that the layer breaks. [`run`] checks all rules that hold for every server layer.
//! [`refusals_are_responses`] needs a request that the layer refuses, and [`allocations`] a figure
//! to compare with.
//!
//! ```
//! use hardpoint_testkit::{TestBody, contract};
//! use http::Request;
//!
//! #[derive(Clone, Debug)]
//! struct Nothing;
//!
//! impl<S> tower_layer::Layer<S> for Nothing {
//!     type Service = S;
//!     fn layer(&self, inner: S) -> S {
//!         inner
//!     }
//! }
//!
//! let request = || Request::new(TestBody::default());
//! contract::run(&Nothing, request);
//! contract::allocations("nothing", &Nothing, request).assert_layer(0);
//! ```
//!
//! # Requirements
//! 1. The layer forwards every request that `request` creates. A limiter needs room for about
//!    fifty.
//! 2. The request body may have any type, so that layers that wrap it can be tested.
//! 3. Check a layer that needs a runtime inside a multi-threaded one: the checks block the thread.
//! 4. A layer with a paused clock must accept requests without the passing of time.

mod alloc;
mod drive;
mod outcome;
mod readiness;

use std::fmt::Debug;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::{
    alloc::{Allocations, allocations, allocations_in},
    outcome::{
        body_is_forwarded, errors_are_preserved, refusals_are_responses,
        trailers_and_size_hint_survive,
    },
    readiness::{
        clones_do_not_double_permits, dropping_the_future_returns_permits,
        readiness_is_asked_of_the_same_instance, wakers_are_kept,
    },
};
use crate::spy::{Spy, SpyError};

/// Checks every rule that holds for all server layers, including auto traits.
///
/// The layer calls the instance that it polled, keeps wakers, returns the permits of dropped
/// futures, does not double permits in clones, preserves errors, and preserves the frames, trailers
/// and size of bodies.
pub fn run<L, B, R>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy> + Clone + Debug + Send + Sync + 'static,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
    L::Service: Clone + Send + Sync + 'static,
    <L::Service as Service<Request<B>>>::Future: Send + 'static,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    readiness_is_asked_of_the_same_instance(layer, &request);
    wakers_are_kept(layer, &request);
    dropping_the_future_returns_permits(layer, &request);
    clones_do_not_double_permits(layer, &request);
    errors_are_preserved(layer, &request);
    trailers_and_size_hint_survive(layer, &request);
}

/// Compiles only if `T` is `Send + Sync + 'static`.
pub const fn assert_auto_traits<T: Send + Sync + 'static>() {}
