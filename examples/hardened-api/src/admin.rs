//! The admin listener, for operators and orchestrators only.

use axum::{Router, routing};
use hardpoint::{
    edge::ProblemLayer,
    health::{Lifecycle, Probes},
};

use crate::routes::not_built;

/// Probes and the full health report. Routes that are not built yet respond with 501.
pub(crate) fn router(lifecycle: &Lifecycle) -> Router {
    Router::new()
        .route("/metrics", routing::get(not_built))
        .route("/upstream", routing::put(not_built))
        .fallback_service(Probes::new(lifecycle))
        .layer(ProblemLayer::new())
}
