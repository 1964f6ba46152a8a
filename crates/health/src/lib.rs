//! Health checks that probes read from memory, and a drain that loses no request.
//!
//! This crate is not a server: the application keeps its listeners, router and `main`. It contains
//! no database or HTTP clients: a check is any async closure. It never restarts the service, and
//! liveness never depends on a check.
//!
//! # Quick start
//!
//! ```
//! use axum::{Router, routing::get};
//! use hardpoint_health::{Check, Checks, Down, DrainLayer, Lifecycle, ProbeLayer, Probes};
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
//!     let public = TcpListener::bind("127.0.0.1:0").await?;
//!     lifecycle.started();
//!     # lifecycle.begin_drain(); // a signal does it
//!     let server = axum::serve(public, app).with_graceful_shutdown(lifecycle.stop_accepting());
//!     Ok(lifecycle.run(server).await)
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
//! | the count of requests in flight, and `Connection: close` | [`DrainLayer`]: [`drain`] |
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
//! | `axum` | `hardpoint_health::axum`: a listener for `axum::serve` that also answers just-accepted connections when the service drains | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "serve")]
pub mod admin;
#[cfg(feature = "axum")]
pub mod axum;
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
pub use self::admin::{Admin, AdminBuilder, AdminError};
#[cfg(feature = "grpc")]
pub use self::grpc::GrpcHealth;
pub use self::{
    check::{Check, Checks, Down},
    drain::DrainLayer,
    error::{ConfigError, Mistake},
    job::{JobMonitor, JobRun},
    lifecycle::Lifecycle,
    probe::{ProbeLayer, Probes},
};
