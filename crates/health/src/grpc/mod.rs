//! The health service of gRPC: `grpc.health.v1.Health`.
//!
//! gRPC clients that balance requests themselves, and orchestrators with gRPC probes, ask this
//! service instead of an HTTP probe. [`GrpcHealth`] answers from memory, like the HTTP probes.
//!
//! ```
//! use hardpoint_health::{GrpcHealth, Lifecycle};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().build()?;
//! // For tonic (feature `tonic`): `Server::builder().add_service(health)`.
//! let health = GrpcHealth::new(&lifecycle).add_service("routeguide.RouteGuide");
//! # drop(health);
//! # Ok(())
//! # }
//! # example()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! 1. | service | `SERVING` | `NOT_SERVING` |
//!    |---|---|---|
//!    | the empty name, `readiness`, and each [added](GrpcHealth::add_service) name | as `/readyz` answers 200 | as it answers 503 |
//!    | `liveness` | as `/livez` answers 200, also while draining | while the runtime is stalled |
//!    | `startup` | as `/startupz` answers 200 | as it answers 503 |
//! 2. `Check` of any other name fails with `NOT_FOUND`. `Watch` of any other name sends
//!    `SERVICE_UNKNOWN` and keeps the stream open, as the protocol demands. `List` returns all
//!    names.
//! 3. `Watch` sends the status at once and after each change. When the service drains, it sends
//!    `NOT_SERVING`. When the server should let its connections end, the stream ends with
//!    `UNAVAILABLE`, so that it does not hold up the drain.
//! 4. At most 1,024 streams of `Watch` are open, of all clients together; a further one fails with
//!    `RESOURCE_EXHAUSTED`. A request message may have 4 KiB, and may not be compressed.
//!
//! # Sharing
//!
//! Clones share the limit of streams. All answers come from the state of the
//! [`Lifecycle`](crate::Lifecycle).
//!
//! # Cancellation
//!
//! Dropping a stream of `Watch` frees its place.
//!
//! # Deployment caveats
//!
//! Let a liveness probe ask for the service `liveness`. With the empty name, a replica that drains
//! or whose gating check is down would be killed.
//!
//! One client can take all places of `Watch`. Let only your own networks reach the service: `Check`
//! and the probes are not affected.
//!
//! # Where to put it
//!
//! Beside the other services, outside authentication and limits.

pub use self::{
    body::ResponseBody,
    service::{GrpcHealth, ResponseFuture},
};

mod body;
mod message;
mod service;
mod watch;
