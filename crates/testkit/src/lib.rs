//! Test utilities for the hardpoint workspace.
//!
//! This crate is not published. Use it only from the `tests/it` of other crates: unit tests of a
//! crate that this one depends on would link two copies of that crate. It does not measure speed;
//! see `benches` for that.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_testkit::{TestBody, contract};
//! use http::Request;
//!
//! // A layer that does nothing satisfies the contract.
//! let layer = tower_layer::layer_fn(|inner| inner);
//! contract::wakers_are_kept(&layer, || Request::new(TestBody::default()));
//! contract::errors_are_preserved(&layer, || Request::new(TestBody::default()));
//! ```
//!
//! # Concepts
//!
//! | module | purpose |
//! |---|---|
//! | [`contract`] | checks the contract of every layer, and counts allocations by part |
//! | [`spy`] | an inner service that a test controls and observes |
//! | [`clock`] | a clock for core that follows tokio's time |
//! | [`http`] | a server and a client over real sockets, and a driver for processes |
//! | [`redis`] | private Redis and Valkey servers, and a network before them that fails |
//! | [`smtp`] | a server for outgoing mail that keeps what it is sent |
//! | [`timing`] | whether answers of several kinds take the same time |
//! | [`eventually`] | waits for the state of another process |
//! | [`leak`] | finds secrets in output, in logs and in the memory of this process |
//!
//! This crate has no features. The minimum supported Rust version is 1.95.

#![expect(clippy::missing_panics_doc, reason = "test utilities report failures by panicking")]

mod body;
pub mod clock;
pub mod contract;
pub mod http;
pub mod leak;
pub mod redis;
pub mod smtp;
pub mod spy;
pub mod timing;
mod wait;

pub use self::{body::TestBody, wait::eventually};
// For crates without middleware, which do not depend on these crates themselves.
pub use tower_layer::Layer;
pub use tower_service::Service;
