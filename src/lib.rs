//! Takes a tower service from *works locally* to *safe to run*.
//!
//! hardpoint is a set of independent tower layers and helpers for a service that already exists: it
//! owns neither `main`, router nor handlers. This crate re-exports them and adds [`Stack`], which
//! checks their order. Each crate can also be used by itself.
//!
//! # A whole service
//!
//! Public and protected routes of axum behind one order of layers. `Server` is the server of
//! `health`; the same stack goes around plain hyper and tonic.
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "full"))]
//! # mod service {
//! use std::{convert::Infallible, error::Error, process::ExitCode};
//!
//! use axum::{Router, routing::get};
//! use hardpoint::{
//!     Stack,
//!     auth::{AuthLayer, KeySet, TokenVerifier, VerifyingKey, axum::Authenticated},
//!     core::ClientResolver,
//!     edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
//!     health::{DrainLayer, Lifecycle, ProbeLayer, serve::Server},
//!     observability::{Logs, RecordLayer},
//!     ratelimit::{Policy, Quota, RateLimitLayer, key},
//!     secrets::{self, Environment, Secrets, Spec},
//! };
//!
//! #[tokio::main]
//! async fn main() -> ExitCode {
//!     let Err(error) = run().await;
//!     secrets::explain(&*error) // a line for each mistake of the configuration, and code 78
//! }
//!
//! async fn run() -> Result<Infallible, Box<dyn Error>> {
//!     let environment = Environment::from_process();
//!     let secrets = Secrets::loader(&environment).add_spec(Spec::pem("JWT_KEYS")).load()?;
//!     let pem = secrets.text("JWT_KEYS").ok_or("it was required")?;
//!     let keys = KeySet::new(VerifyingKey::all_from_pem(pem.expose())?)?;
//!     let verifier =
//!         TokenVerifier::builder().issuer("https://id.example", keys).audience("api").build()?;
//!
//!     let logs = Logs::json("api").init()?;
//!     let lifecycle = Lifecycle::builder().flush_logs(move |within| logs.flush(within)).build()?;
//!     let client = key::client_network(ClientResolver::direct());
//!     let outer = Stack::new()
//!         .layer(ProbeLayer::new(&lifecycle))
//!         .layer(DrainLayer::new(&lifecycle))
//!         .layer(ClientLayer::new(ClientResolver::direct()))
//!         .layer(RecordLayer::new())
//!         .layer(SecurityHeadersLayer::default())
//!         .layer(ProblemLayer::new())
//!         .layer(CatchPanicLayer::new())
//!         .layer(RateLimitLayer::new(Policy::new("client", Quota::per_second(200), client))?);
//!     let inner = outer
//!         .inner()
//!         .layer(AuthLayer::new(verifier))
//!         .layer(BodyLimitLayer::new(64 * 1024).with_axum_body());
//!     let protected = Router::new()
//!         .route("/me", get(async |user: Authenticated| user.subject().to_owned()))
//!         .route_layer(inner);
//!     let app = Router::new().route("/", get(async || "hello")).merge(protected).layer(outer);
//!
//!     let server = Server::bind("0.0.0.0:3000").await?;
//!     lifecycle.started();
//!     server.service(app).run(&lifecycle).await
//! }
//! # }
//! ```
//!
//! In the repository, `examples/axum-minimal`, `hyper-minimal`, `tonic-minimal` and `client-policy`
//! are programs of one file, `examples/hardened-api` uses everything, and `docs/adopt.md` adds the
//! layers to an existing service step by step.
//!
//! # Concepts
//!
//! | module | protects against | starts with |
//! |---|---|---|
//! | [`auth`] | callers who claim to be someone else | [`AuthLayer`](auth::AuthLayer), [`SessionIssuer`](auth::SessionIssuer), [`PasswordHasher`](auth::PasswordHasher) |
//! | [`ratelimit`] | callers who take more than their share | [`RateLimitLayer`](ratelimit::RateLimitLayer), [`Policy`](ratelimit::Policy) |
//! | [`resilience`] | dependencies that fail, hang or are overloaded by retries | [`ClientPolicy`](resilience::ClientPolicy) |
//! | [`observability`] | incidents without evidence: access lines, logs, metrics | [`RecordLayer`](observability::RecordLayer), [`Logs`](observability::Logs), [`Metrics`](observability::Metrics) |
//! | [`health`] | traffic to an instance that cannot serve it, and requests lost in a restart | [`Lifecycle`](health::Lifecycle), [`Server`](health::serve::Server) |
//! | [`secrets`] | starting with a missing, weak or leaked secret | [`Secrets`](secrets::Secrets), [`Spec`](secrets::Spec) |
//! | [`redis`] | requests that wait for a Redis or Valkey server that is down | [`Redis`](redis::Redis) |
//! | [`edge`] | spoofed addresses, huge bodies, unsafe browser defaults, inconsistent errors | [`ClientLayer`](edge::ClientLayer), [`ProblemLayer`](edge::ProblemLayer) |
//! | [`core`] | layers that disagree: it holds the types that all of them share | [`RequestContext`](core::RequestContext), [`Refusals`](core::Refusals) |
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
//! | `opentelemetry_0_33` | a bridge in `observability` to the OpenTelemetry SDK of this version | no |
//! | `otlp` | export of traces, metrics and logs in `observability` | no |
//! | `tokio` | metrics of a tokio runtime in `observability` | no |
//! | `remote` | keys that `auth` fetches from an issuer over https | no |
//! | `redis` | module `redis`, and the stores of `auth` and `ratelimit` on Redis or Valkey | no |
//! | `reqwest` | outgoing calls by reqwest in `observability` | no |
//! | `serde` | deserialization of `core::Secret` and `ratelimit::Quota` | no |
//! | `sqlx` | a check of a connection pool of sqlx in `health` | no |
//! | `tls` | TLS for the server of `health`, and `rediss://` for `redis` | no |
//! | `imported-hashes` | password hashes of other systems in `auth`: bcrypt, PBKDF2 and scrypt | no |
//! | `test` | for the tests of an application: an issuer of tokens in `auth`, what a test logs in `observability` | no |
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
    #[doc = include_str!("../docs/adopt.md")]
    pub mod adopt {}
    #[doc = include_str!("../docs/api-keys.md")]
    pub mod api_keys {}
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
    #[cfg(feature = "observability")]
    #[doc = include_str!("../docs/observability.md")]
    pub mod observability {}
    #[cfg(feature = "otlp")]
    #[doc = include_str!("../docs/otlp.md")]
    pub mod otlp {}
    #[doc = include_str!("../docs/packages.md")]
    pub mod packages {}
    #[doc = include_str!("../docs/port.md")]
    pub mod port {}
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
    #[doc = include_str!("../docs/recipes.md")]
    pub mod recipes {}
    #[doc = include_str!("../docs/sessions.md")]
    pub mod sessions {}
    #[cfg(all(feature = "grpc", feature = "tonic"))]
    #[doc = include_str!("../docs/tonic.md")]
    pub mod tonic {}
}
