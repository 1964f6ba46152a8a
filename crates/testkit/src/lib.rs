//! Test equipment of the hardpoint workspace.
//!
//! It is never published, and used from the `tests/it` of the other crates alone: a unit test of a
//! crate that this one depends on would meet two copies of that crate. It makes no statement about
//! speed; that is what `benches` is for.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_testkit::{TestBody, contract};
//! use http::Request;
//!
//! // A layer that does nothing keeps the contract.
//! let layer = tower_layer::layer_fn(|inner| inner);
//! contract::wakers_are_kept(&layer, || Request::new(TestBody::default()));
//! contract::errors_are_preserved(&layer, || Request::new(TestBody::default()));
//! ```
//!
//! # Concepts
//!
//! | module | what it is for |
//! |---|---|
//! | [`contract`] | the laws that every layer of ours keeps, and allocations by part |
//! | [`spy`] | an inner service that is steered and watched from outside |
//! | [`clock`] | core's clock read from tokio's time, so that one thing moves both |
//! | [`http`] | a server and a client over real sockets, and a driver for processes |
//! | [`leak`] | finding secrets in output, in logs and in this process's memory |
//!
//! There are no features. The minimum supported Rust version is 1.95.

#![expect(clippy::missing_panics_doc, reason = "test equipment reports what it finds by panicking")]

mod body;
pub mod clock;
pub mod contract;
pub mod http;
pub mod leak;
pub mod spy;

pub use self::body::TestBody;
// For a crate that is no middleware itself and so does not depend on them.
pub use tower_layer::Layer;
pub use tower_service::Service;
