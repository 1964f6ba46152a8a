//! Takes a tower service from *works locally* to *safe to run*.
//!
//! hardpoint is a set of independent tower layers and helpers for a service that already exists: it
//! owns neither `main`, router nor handlers. This crate re-exports them and adds [`Stack`], which
//! checks their order. Each crate can also be used by itself.
//!
//! # Quick start
//!
//! The project's README contains a complete service, and `examples/hardened-api` is one to
//! run.
//!
//! # Concepts
//!
//! | module | protects against |
//! |---|---|
//! | `auth` | callers who claim to be someone else |
//! | `ratelimit` | callers who take more than their share |
//! | `resilience` | dependencies that fail, hang or are overloaded by retries |
//! | `observability` | incidents without evidence: access lines, logs, metrics |
//! | `health` | traffic to an instance that cannot serve it, and requests lost in a restart |
//! | `secrets` | starting with a missing, weak or leaked secret |
//! | `redis` | requests that wait for a Redis or Valkey server that is down |
//! | `edge` | spoofed addresses, huge bodies, unsafe browser defaults, inconsistent errors |
//! | [`core`] | layers that disagree: it holds the types that all of them share |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `auth`, `edge`, `health`, `observability`, `ratelimit`, `resilience`, `secrets` | the module of this name | no |
//! | `axum` | the axum parts of the enabled modules | no |
//! | `cors` | cross-origin resource sharing in `edge` | no |
//! | `grpc` | the health service of gRPC in `health` | no |
//! | `serve` | the server and the admin listener of `health`; implied by `axum` | no |
//! | `otlp` | export of traces, metrics and logs in `observability` | no |
//! | `tokio` | metrics of a tokio runtime in `observability` | no |
//! | `remote` | keys that `auth` fetches from an issuer over https | no |
//! | `redis` | module `redis`, and the stores of `auth` and `ratelimit` on Redis or Valkey | no |
//! | `sqlx` | a check of a connection pool of sqlx in `health` | no |
//! | `tls` | TLS for the server of `health`, and `rediss://` for `redis` | no |
//! | `imported-hashes` | password hashes of other systems in `auth`: bcrypt, PBKDF2 and scrypt | no |
//! | `test` | an issuer of tokens in `auth`, for the tests of an application | no |
//! | `chaos` | fault injection in `resilience`, for an application's tests | no |
//! | `tonic` | the client's address from tonic's server, and tonic's services on the server of `health` | no |
//! | `full` | every module except `redis`, and none of the other features | no |
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
    #[doc = include_str!("../docs/accounts.md")]
    pub mod accounts {}
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
    #[cfg(feature = "otlp")]
    #[doc = include_str!("../docs/otlp.md")]
    pub mod otlp {}
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
