//! The admin listener: for operators and orchestrators, never for the public.

use axum::{Router, routing};
use hardpoint::{
    edge::ProblemLayer,
    health::{Lifecycle, Probes},
};

use crate::routes::not_built;

/// Probes and the full report; what is not built yet answers 501.
pub(crate) fn router(lifecycle: &Lifecycle) -> Router {
    Router::new()
        .route("/metrics", routing::get(not_built))
        .route("/upstream", routing::put(not_built))
        .fallback_service(Probes::new(lifecycle))
        .layer(ProblemLayer::new())
}
