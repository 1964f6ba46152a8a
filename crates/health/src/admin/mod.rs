//! The admin listener: probes, the report and routes for operators, on a thread of their own.
//!
//! An orchestrator judges a service by its probes. On the service's own runtime they wait when its
//! workers are blocked or saturated, and the orchestrator then kills a service that is only busy.
//! [`Admin`] answers them on a thread that runs nothing else, and reports what it observes of the
//! service's runtime.
//!
//! ```
//! use hardpoint_core::Secret;
//! use hardpoint_health::{Admin, Lifecycle};
//! use std::net::SocketAddr;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().build()?;
//! let admin = Admin::builder(SocketAddr::from(([127, 0, 0, 1], 0))).serve(&lifecycle)?;
//! println!("probes on {}", admin.local_addr());
//!
//! // A listener that others can reach requires a token.
//! let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
//! let error = Admin::builder(everywhere).serve(&lifecycle).unwrap_err();
//! assert!(error.to_string().contains("requires a token"));
//! let token = Secret::<str>::from("a long random text".to_owned());
//! Admin::builder(everywhere).token(token).serve(&lifecycle)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! 1. `/livez`, `/readyz`, `/startupz` and `/health` are answered from memory on the admin thread,
//!    as [`Probes`](crate::Probes) does. Every other path goes to the
//!    [routes](AdminBuilder::routes), or gets a 404.
//! 2. With a [token](AdminBuilder::token), every path except the three probes requires
//!    `Authorization: Bearer <token>`; without it the answer is a 401. The comparison takes constant
//!    time. A listener on an address that is not a loopback address requires a token.
//! 3. Routes run on the service's runtime, so a handler that blocks does not hold up the probes. The
//!    admin thread reads the request body (up to 64 KiB within 10 seconds) before it calls them, and
//!    collects the response body (up to 16 MiB). A route that takes longer than 10 seconds gets a
//!    503; one that panics, a 500.
//! 4. At most 128 connections are open. One more closes the oldest one, so that slow clients cannot
//!    keep a probe out. A client has 30 seconds for each request head and between two requests.
//! 5. Every 100 ms the admin thread spawns an empty task on the service's runtime. If none has run
//!    for 10 seconds, the runtime is *stalled*: `/livez` and `/readyz` answer 503. If a worker
//!    spends 5 seconds in one poll, the service is *degraded*, and a WARN contains the number of
//!    such workers. Observations that the admin thread makes late, as after a stopped process or a
//!    suspended machine, count for nothing.
//! 6. The spawned task also wakes a parked worker, which then polls timers and sockets. Without it,
//!    one blocked worker can stop all of them on a runtime whose other workers sleep.
//!
//! # Sharing
//!
//! A lifecycle has one admin thread, however many listeners it serves.
//!
//! # Cancellation
//!
//! Dropping the [`Admin`] closes the listener and its connections. A route whose client disconnects
//! is dropped.
//!
//! # Deployment caveats
//!
//! - The listener speaks HTTP/1.1 without TLS. A token crosses the network as it is: use a network
//!   that only operators can reach.
//! - A stalled runtime is restarted by the orchestrator. If the start of a service blocks its
//!   runtime for longer than 10 seconds, point a startup probe at `/startupz`.
//! - The runtime that is observed is the one in which the lifecycle was built.
//!
//! # Where to put it
//!
//! Serve it before the work of the start, so that the startup probe is answered meanwhile, and keep
//! it until the process ends.

pub use self::{
    body::RequestBody,
    builder::{Admin, AdminBuilder},
    error::AdminError,
};

mod body;
mod builder;
mod error;
mod guard;
mod listener;
mod routes;
mod service;
