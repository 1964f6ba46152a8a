//! An inner service that is steered and watched from outside.
//!
//! A [`Spy`] stands where a handler would. Its [`SpyHandle`] says when it is ready, how it answers
//! and when, and tells what was done to it. A `Spy` that is called without having said that it is
//! ready notes the violation and panics, which is how a layer that calls a fresh clone of its inner
//! service is found.
//!
//! ```
//! use hardpoint_testkit::{TestBody, spy::Spy};
//! use tower_service::Service;
//!
//! let (mut spy, handle) = Spy::new();
//! let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
//! assert!(Service::<http::Request<TestBody>>::poll_ready(&mut spy, &mut cx).is_ready());
//! drop(spy.call(http::Request::get("/seen").body(TestBody::default())?));
//!
//! assert_eq!(handle.seen()[0].uri.path(), "/seen");
//! assert_eq!((handle.calls(), handle.counts().cancelled), (1, 1));
//! # Ok::<(), http::Error>(())
//! ```

mod handle;
mod service;
mod state;

pub use self::{
    handle::SpyHandle,
    service::{Spy, SpyError, SpyFuture},
    state::{Counts, Readiness},
};
