//! The admin listener, for operators and orchestrators only.

use std::{net::TcpListener, sync::Arc};

use axum::{Router, routing};
use hardpoint::{
    edge::ProblemLayer,
    health::{Admin, AdminError, Lifecycle},
    observability::Metrics,
};

use crate::{routes::not_built, settings::Settings};

/// Serves the probes, the full health report and the metrics on a thread of its own, until the
/// returned value is dropped. Routes that are not built yet respond with 501.
pub(crate) fn serve(
    listener: TcpListener,
    settings: &Settings,
    lifecycle: &Lifecycle,
    metrics: &Metrics,
) -> Result<Admin, AdminError> {
    let routes = Router::new()
        .route_service("/metrics", metrics.service())
        .route("/upstream", routing::put(not_built))
        .layer(ProblemLayer::new());
    let mut admin = Admin::from_listener(listener).routes(routes);
    if let Some(token) = &settings.admin_token {
        admin = admin.token(Arc::clone(token));
    }
    admin.serve(lifecycle)
}
