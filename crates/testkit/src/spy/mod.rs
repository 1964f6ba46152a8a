//! An inner service that a test controls and observes.
//!
//! A [`Spy`] takes the place of a handler. Its [`SpyHandle`] controls when the spy is ready and
//! when and how it answers, and reports how the spy was used. A `Spy` that is called before its
//! `poll_ready` returned `Ready` records the violation and panics. This detects layers that call a
//! fresh clone of their inner service.
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
