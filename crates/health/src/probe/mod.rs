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
//! | `/livez` | yes | yes | always, also while draining | never |
//! | `/readyz` | yes | yes | `ok`, or `degraded` if a check that does not gate is down | `starting`, `not_ready`, `draining` |
//! | `/startupz` | no | yes | from [`started`](crate::Lifecycle::started) on, once each check that gates the start has passed | `starting` |
//! | `/health` | no | yes | always: it is a report | never |
//!
//! 1. The service is ready if it has started, is not draining, and every gating check is up.
//! 2. A 200 is `application/json`: `{"status":"ok"}` or `{"status":"degraded"}`. A 503 is
//!    `application/problem+json` with the reason as its `code` and `Retry-After: 5`. The three 503
//!    bodies are constants: they contain no request id, and gRPC callers get them as JSON too.
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
//!    shows the text of an error.
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
//! - Liveness looks only at the process. A runtime whose workers are all blocked does not answer,
//!   so the orchestrator restarts it.
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
mod layer;
mod rejection;
