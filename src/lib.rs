//! Takes a tower service from *works locally* to *safe to run*.
//!
//! hardpoint is a set of independent tower layers and helpers for a service that already exists: it
//! owns no `main`, no router and no handler. This crate re-exports them and adds [`Stack`], which
//! checks their order. Each crate can also be used by itself.
//!
//! # Quick start
//!
//! The project's README has a whole service in forty lines, and `examples/hardened-api` is one to
//! run.
//!
//! # Concepts
//!
//! | module | protects against |
//! |---|---|
//! | `auth` | callers who claim to be someone else |
//! | `ratelimit` | callers who take more than their share |
//! | `resilience` | dependencies that fail, hang or drown in retries |
//! | `observability` | not knowing what happened |
//! | `health` | traffic to an instance that cannot serve it, and requests lost in a restart |
//! | `secrets` | starting with a missing, weak or leaked secret |
//! | `redis` | requests that wait for a server of shared state that is away |
//! | `edge` | spoofed addresses, huge bodies, careless browsers, errors of ten shapes |
//! | [`core`] | layers that disagree: it holds the types that all of them share |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `auth`, `edge`, `health`, `observability`, `ratelimit`, `resilience`, `secrets` | the module of this name | no |
//! | `axum` | the axum parts of those that are on | no |
//! | `grpc` | the health service of gRPC in `health` | no |
//! | `serve` | the admin listener of `health` | no |
//! | `tokio` | metrics of a tokio runtime in `observability` | no |
//! | `remote` | the keys of issuers elsewhere, fetched over https by `auth` | no |
//! | `redis` | the link to Redis or Valkey, and the stores on it of `auth` and `ratelimit` | no |
//! | `tls` | TLS for the server of `health`, and `rediss://` for `redis` | no |
//! | `chaos` | faults on purpose in `resilience`, for the tests of an application | no |
//! | `full` | all modules; neither `axum` nor `redis` | no |
//!
//! The minimum supported Rust version is 1.95.

pub mod place;
mod stack;

#[cfg(feature = "auth")]
pub use hardpoint_auth as auth;
pub use hardpoint_core as core;
#[cfg(feature = "edge")]
pub use hardpoint_edge as edge;
#[cfg(feature = "health")]
pub use hardpoint_health as health;
#[cfg(feature = "observability")]
pub use hardpoint_observability as observability;
#[cfg(feature = "ratelimit")]
pub use hardpoint_ratelimit as ratelimit;
#[cfg(feature = "redis")]
pub use hardpoint_redis as redis;
#[cfg(feature = "resilience")]
pub use hardpoint_resilience as resilience;
#[cfg(feature = "secrets")]
pub use hardpoint_secrets as secrets;

pub use self::stack::{After, Bottom, Stack};

/// The README and the pages of the manual, whose code is compiled and run.
#[cfg(all(doctest, feature = "full", feature = "axum"))]
pub mod _manual {
    #[doc = include_str!("../docs/ARCHITECTURE.md")]
    pub mod architecture {}
    #[doc = include_str!("../docs/auth.md")]
    pub mod auth {}
    #[doc = include_str!("../docs/BENCHMARKS.md")]
    pub mod benchmarks {}
    #[doc = include_str!("../CONTRIBUTING.md")]
    pub mod contributing {}
    #[doc = include_str!("../docs/DEFAULTS.md")]
    pub mod defaults {}
    #[doc = include_str!("../docs/DESIGN.md")]
    pub mod design {}
    #[doc = include_str!("../docs/health.md")]
    pub mod health {}
    #[doc = include_str!("../docs/metrics.md")]
    pub mod metrics {}
    #[doc = include_str!("../docs/problems.md")]
    pub mod problems {}
    #[doc = include_str!("../docs/ratelimit.md")]
    pub mod ratelimit {}
    #[cfg(feature = "redis")]
    #[doc = include_str!("../docs/redis.md")]
    pub mod redis {}
    #[doc = include_str!("../docs/resilience.md")]
    pub mod resilience {}
    #[doc = include_str!("../README.md")]
    pub mod readme {}
    #[doc = include_str!("../docs/sessions.md")]
    pub mod sessions {}
}
