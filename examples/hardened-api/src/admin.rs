//! The admin listener, for operators and orchestrators only.

use axum::{Router, routing};
use hardpoint::{
    edge::ProblemLayer,
    health::{Lifecycle, Probes},
    observability::Metrics,
};

use crate::routes::not_built;

/// Probes, the full health report and the metrics. Routes that are not built yet respond with 501.
pub(crate) fn router(lifecycle: &Lifecycle, metrics: &Metrics) -> Router {
    Router::new()
        .route_service("/metrics", metrics.service())
        .route("/upstream", routing::put(not_built))
        .fallback_service(Probes::new(lifecycle))
        .layer(ProblemLayer::new())
}
