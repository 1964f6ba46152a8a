//! The laws that every layer of ours keeps.
//!
//! Each function puts the layer under test around a [`Spy`], drives it without a
//! runtime, and panics with the law that was broken. [`run`] checks all those that hold for any
//! server layer; [`refusals_are_responses`] needs a request that the layer refuses, and
//! [`allocations`] a figure to compare with.
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
//! # Rules for the caller
//! 1. `request` makes requests that the layer lets through to the inner service, each time: a
//!    limiter needs room for about fifty of them.
//! 2. The request's body is of any type, so that a layer which wraps it fits.
//! 3. A layer that needs a runtime is checked inside one of several threads: the check blocks.
//! 4. A layer whose clock is paused must not need time to pass in order to accept.

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

/// Checks every law that holds for any server layer, auto traits included.
///
/// Readiness is asked of the same instance, wakers are kept, a dropped future returns its permits,
/// clones do not double them, errors come out unchanged, and bodies keep their frames, trailers and
/// size.
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

/// Compiles only if `T` can be shared between threads and kept.
pub const fn assert_auto_traits<T: Send + Sync + 'static>() {}
