//! A server that no client holds up, health checks that probes read from memory, and a drain that
//! loses no request.
//!
//! This crate is not a framework: the application keeps its router and `main`, and every part works
//! without the others. It contains no database or HTTP clients: a check is any async closure. It
//! never restarts the service, and liveness never depends on a check.
//!
//! # Quick start
//!
//! ```
//! use axum::{Router, routing::get};
//! use hardpoint_health::{
//!     Admin, Check, Checks, DrainLayer, Lifecycle, ProbeLayer, builtin, serve::Server,
//! };
//! use std::{net::SocketAddr, process::ExitCode};
//!
//! async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
//!     let checks = Checks::builder()
//!         .add_check(Check::new("search", builtin::tcp("search.internal:9200")))
//!         .add_check(Check::new("files", builtin::open_files(90)))
//!         .build()?;
//!     let lifecycle = Lifecycle::builder().checks(checks).build()?;
//!
//!     // Answers probes on a thread of its own until the process ends.
//!     let _admin = Admin::builder(SocketAddr::from(([127, 0, 0, 1], 0))).serve(&lifecycle)?;
//!
//!     let app = Router::new()
//!         .route("/", get(|| async { "hello" }))
//!         .layer(DrainLayer::new(&lifecycle))
//!         .layer(ProbeLayer::new(&lifecycle));
//!     let public = Server::bind("127.0.0.1:0").await?;
//!     lifecycle.started();
//!     # lifecycle.begin_drain(); // a signal does it
//!     Ok(lifecycle.run(public.service(app).serve(&lifecycle)).await)
//! }
//! # let runtime = tokio::runtime::Builder::new_current_thread()
//! #     .enable_all()
//! #     .start_paused(true)
//! #     .build()?;
//! # assert_eq!(runtime.block_on(run())?, ExitCode::SUCCESS);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Concepts
//!
//! | concept | where |
//! |---|---|
//! | background tests of dependencies | [`Check`], [`Checks`], [`Down`]: [`check`] |
//! | the shared handle: starting, ready, draining, ended | [`Lifecycle`]: [`lifecycle`] |
//! | ready-made checks | [`builtin`]; of scheduled jobs: [`JobMonitor`]; of a pool of connections: `sqlx` (feature `sqlx`) |
//! | endpoints for balancers and orchestrators | [`ProbeLayer`] on the public listener, [`Probes`] on an admin listener: [`probe`] |
//! | an admin listener on a thread of its own, which observes the service's runtime | `Admin`: `admin` (feature `serve`) |
//! | the health service of gRPC | `GrpcHealth`: `grpc` (feature `grpc`) |
//! | a server with limits on its clients | `Server`: `serve` (feature `serve`) |
//! | the count of requests in flight, and `Connection: close` | [`DrainLayer`], [`InFlight`]: [`drain`] |
//! | configuration mistakes | [`ConfigError`], [`Mistake`] |
//!
//! The lifecycle reports each change of a check or of readiness to its
//! [`Telemetry`](hardpoint_core::Telemetry) and logs it with the target `hardpoint::health::check`
//! or `hardpoint::health::lifecycle`. It logs each change of the service's runtime with the target
//! `hardpoint::health::runtime`. It does not log results that change nothing.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the server, for an axum `Router`: handlers find `ConnectInfo` | no |
//! | `grpc` | the health service of gRPC, for any server; with `tonic` also for tonic's | no |
//! | `hyper` | the server, for a `hyper::service::Service` | no |
//! | `serve` | the server, for any tower service; the admin listener | no |
//! | `sqlx` | a check of a connection pool of sqlx | no |
//! | `tls` | TLS by rustls for the server | no |
//! | `tonic` | the server, for tonic's `Routes`: handlers find the remote address | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "serve")]
pub mod admin;
mod board;
pub mod builtin;
pub mod check;
pub mod drain;
mod error;
#[cfg(feature = "grpc")]
pub mod grpc;
mod heartbeat;
pub mod job;
pub mod lifecycle;
mod monitor;
mod phase;
pub mod probe;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "sqlx")]
pub mod sqlx;

#[cfg(feature = "serve")]
pub use self::admin::{Admin, AdminBuilder, AdminError};
#[cfg(feature = "grpc")]
pub use self::grpc::GrpcHealth;
pub use self::{
    check::{Check, Checks, Down},
    drain::{DrainLayer, InFlight},
    error::{ConfigError, Mistake},
    job::{JobMonitor, JobRun},
    lifecycle::Lifecycle,
    probe::{ProbeLayer, Probes},
};
