//! Probes: the endpoints through which balancers, orchestrators and operators observe a service.
//!
//! They keep a slow dependency or an overload from getting the service killed or taken out of
//! traffic. A probe reads only memory, so it never waits for a dependency. [`ProbeLayer`] answers
//! it before any layer that could shed, limit or authenticate it.
//!
//! ```
//! use hardpoint_health::{Lifecycle, ProbeLayer};
//! use http::{Request, Response, StatusCode, header::RETRY_AFTER};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let lifecycle = Lifecycle::builder().build()?;
//! let service = ProbeLayer::new(&lifecycle).layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(()))
//! }));
//! let get = |path: &str| Request::get(path).body(());
//!
//! // Not started yet: alive, and not ready.
//! let response = service.clone().oneshot(get("/livez")?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! let response = service.clone().oneshot(get("/readyz")?).await?;
//! assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert!(response.headers().contains_key(RETRY_AFTER));
//!
//! lifecycle.started();
//! let response = service.oneshot(get("/readyz")?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(example())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//!
//! | path | [`ProbeLayer`] | [`Probes`] | 200 | 503 |
//! |---|---|---|---|---|
//! | `/livez` | yes | yes | also while draining | `stalled` |
//! | `/readyz` | yes | yes | `ok`, or `degraded` if a check that does not gate is down | `starting`, `stalled`, `not_ready`, `draining` |
//! | `/startupz` | no | yes | from [`started`](crate::Lifecycle::started) on, once each check that gates the start has passed | `starting` |
//! | `/health` | no | yes | always: it is a report | never |
//!
//! 1. The service is ready if it has started, is not draining, its runtime is not stalled, and every
//!    gating check is up.
//! 2. A 200 is `application/json`: `{"status":"ok"}` or `{"status":"degraded"}`. A 503 is
//!    `application/problem+json` with the reason as its `code` and `Retry-After: 5`. The 503 bodies
//!    are constants: they contain no request id, and gRPC callers get them as JSON too.
//!    Every response carries `Cache-Control: no-store`.
//! 3. Probes answer GET and HEAD. Any other method on a probe's path gets a 405 with `Allow`. Any
//!    other path, including `/livez/` with a trailing slash, is forwarded by [`ProbeLayer`] and
//!    gets a 404 from [`Probes`].
//! 4. While the service drains, [`ProbeLayer`] answers HTTP/1 requests with `Connection: close`.
//! 5. `/health` shows the status of the service (`ok`, `degraded`, `not_ready`, `starting` or
//!    `draining`), whether it has started, whether it is draining, and the number of requests in
//!    flight. For each check it shows the name, the status (`unknown`, `up`, `down` or `skipped`), the
//!    code of the last failure (until the check is up and its last run passed), whether the check
//!    gates readiness, the seconds since its status last changed, the duration of its last run in
//!    milliseconds (at most 65,535), and the age of its run in seconds if that is overdue. It never
//!    shows the text of an error. `runtime` shows whether the runtime of the service runs (`ok`,
//!    `blocked_worker` or `stalled`) and how many workers are blocked, if an
//!    [`Admin`](crate::Admin) listener or a running lifecycle observes it.
//! 6. `/health` with `Accept: application/health+json` gets the format of
//!    draft-inadarei-api-health-check-06 (`pass`, `warn`, `fail`), and a 503 for `fail`.
//!
//! # Sharing
//!
//! All probes read the state of the [`Lifecycle`](crate::Lifecycle) they were created from.
//!
//! # Cancellation
//!
//! The layer holds no state per request. Dropping the future of a forwarded request drops the inner
//! future.
//!
//! # Deployment caveats
//!
//! - Liveness looks only at the service's runtime. [`Probes`] on that runtime do not answer while
//!   all of its workers are blocked; those of an [`Admin`](crate::Admin) listener answer 503 after
//!   10 seconds. The orchestrator restarts the service either way, and with the admin listener only
//!   for a reason.
//! - The report names dependencies: keep the admin listener off the public network.
//! - Serve [`Probes`] from a task without a graceful shutdown, so that it still answers when the
//!   public listener no longer accepts connections.
//!
//! # Where to put this layer
//!
//! Outermost, directly around the [`DrainLayer`](crate::DrainLayer), so that no layer limits, sheds
//! or authenticates a probe, and probes do not count as in flight. An inner service that is not
//! ready delays probes along with all other requests: put a load shedder around services that wait
//! in `poll_ready`, or use the probes on the admin listener.

pub use self::{
    admin::{NoBody, Probes},
    layer::{Probe, ProbeLayer},
};

mod admin;
mod answer;
mod draft;
mod layer;
mod rejection;
