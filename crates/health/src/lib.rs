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
//!     Check, Checks, Down, DrainLayer, Lifecycle, ProbeLayer, Probes, serve::Server,
//! };
//! use std::process::ExitCode;
//! use tokio::net::TcpListener;
//!
//! async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
//!     let checks = Checks::builder()
//!         .add_check(Check::new("search", || async {
//!             TcpListener::bind("127.0.0.1:0").await.map_err(|_| Down::new("unreachable"))?;
//!             Ok(())
//!         }))
//!         .build()?;
//!     let lifecycle = Lifecycle::builder().checks(checks).build()?;
//!
//!     // The admin listener answers until the process ends.
//!     let admin = TcpListener::bind("127.0.0.1:0").await?;
//!     let probes = Router::new().fallback_service(Probes::new(&lifecycle));
//!     tokio::spawn(axum::serve(admin, probes).into_future());
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
//! | endpoints for balancers and orchestrators | [`ProbeLayer`] on the public listener, [`Probes`] on the admin listener: [`probe`] |
//! | a server with limits on its clients | `Server`: `serve` (feature `serve`) |
//! | the count of requests in flight, and `Connection: close` | [`DrainLayer`], [`InFlight`]: [`drain`] |
//! | configuration mistakes | [`ConfigError`], [`Mistake`] |
//!
//! The lifecycle reports each change of a check or of readiness to its
//! [`Telemetry`](hardpoint_core::Telemetry) and logs it with the target `hardpoint::health::check`
//! or `hardpoint::health::lifecycle`. It does not log results that change nothing.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the server, for an axum `Router`: handlers find `ConnectInfo` | no |
//! | `hyper` | the server, for a `hyper::service::Service` | no |
//! | `serve` | the server, for any tower service | no |
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
