//! Probes: what balancers, orchestrators and people ask about a service.
//!
//! They protect the service from being killed or starved of traffic by its own probes: a probe
//! reads memory, so it never waits for a dependency, and it is answered before anything that could
//! shed, limit or authenticate it.
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
//! | `/startupz` | no | yes | from [`started`](crate::Lifecycle::started) on | `starting` |
//! | `/health` | no | yes | always: it is a report | never |
//!
//! 1. Readiness is: started, not draining, and every gating check up.
//! 2. A pass is `application/json`: `{"status":"ok"}`, or `{"status":"degraded"}`. A 503 has the
//!    members of a problem, `application/problem+json` with the reason as its `code`, and
//!    `Retry-After: 5`. All three of its reasons are constants: they have no request's id, and a gRPC
//!    caller gets them as JSON too. Everything is `Cache-Control: no-store`.
//! 3. GET and HEAD are answered. Another method on a probe's path gets 405 with `Allow`. Other
//!    paths, `/livez/` with a slash among them, are forwarded by [`ProbeLayer`] and get 404 from
//!    [`Probes`].
//! 4. While the service drains, [`ProbeLayer`] answers HTTP/1 with `Connection: close`.
//! 5. `/health` shows whether the service is `ok`, `degraded`, `not_ready`, `starting` or `draining`,
//!    whether it has started and drains, and how many requests are in flight; of each check its name, status (`unknown`, `up`, `down`), the code of its last
//!    failure as long as that matters, whether it gates readiness, since when it has its status (in
//!    seconds), and how long its last run took (in milliseconds, at most 65,535). It never shows
//!    the text of an error.
//!
//! # Sharing
//!
//! All read the state of the [`Lifecycle`](crate::Lifecycle) that they were made from.
//!
//! # Cancellation
//!
//! Nothing is held: dropping a forwarded request's future drops the inner one.
//!
//! # Deployment caveats
//!
//! - Liveness looks at nothing but the process. A runtime whose every worker is blocked does not
//!   answer, which is what makes an orchestrator restart it.
//! - The report names dependencies: keep the admin listener off the public network.
//! - Serve [`Probes`] from a task without a graceful shutdown, so that it answers during the drain,
//!   when the public listener no longer accepts.
//!
//! # Where to put this layer
//!
//! Outermost, directly around the [`DrainLayer`](crate::DrainLayer), so that a probe passes no limit,
//! no load shedding and no authentication, and is not in flight. An inner
//! service that is not ready holds probes up with all other requests: put what waits in
//! `poll_ready` behind a load shedder, or on the admin listener.

pub use self::{
    admin::{NoBody, Probes},
    layer::{Probe, ProbeLayer},
};

mod admin;
mod answer;
mod layer;
mod rejection;
