//! Health checks that probes read from memory, and a drain that loses no request.
//!
//! This crate does not serve: the listeners, the router and `main` stay yours. It has no client of
//! any dependency: a check is any async closure. It does not restart anything, and liveness never
//! looks at a dependency.
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
//! | one test of a dependency, in the background | [`Check`], [`Checks`], [`Down`]: [`check`] |
//! | starting, ready, draining, ended: the handle that all share | [`Lifecycle`]: [`lifecycle`] |
//! | answers to balancers and orchestrators | [`ProbeLayer`] on the public listener, [`Probes`] on the admin one: [`probe`] |
//! | requests in flight, and the hint to leave | [`DrainLayer`]: [`drain`] |
//! | mistakes in all of these | [`ConfigError`], [`Mistake`] |
//!
//! Changes of a check and of readiness go to the [`Telemetry`](hardpoint_core::Telemetry) that the
//! lifecycle was built with, and to the log with the targets `hardpoint::health::check` and
//! `hardpoint::health::lifecycle`. What does not change is not logged.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | `hardpoint_health::axum`: a listener for `axum::serve` that answers just-accepted connections too when the service drains | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "axum")]
pub mod axum;
mod board;
pub mod check;
pub mod drain;
mod error;
pub mod lifecycle;
mod phase;
pub mod probe;

pub use self::{
    check::{Check, Checks, Down},
    drain::DrainLayer,
    error::{ConfigError, Mistake},
    lifecycle::Lifecycle,
    probe::{ProbeLayer, Probes},
};
