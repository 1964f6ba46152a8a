//! The admin listener, for operators and orchestrators only.

use std::{net::TcpListener, sync::Arc};

use axum::Router;
use hardpoint::{
    edge::ProblemLayer,
    health::{Admin, AdminError, Lifecycle},
    observability::Metrics,
};

use crate::{
    quote::Upstream,
    settings::{Env, Settings},
    trace_test,
};

/// Serves the probes, the full health report and the metrics on a thread of its own, until the
/// returned value is dropped; in development also the switch of the upstream and, on a loopback
/// address, the service of the W3C's test suite.
pub(crate) fn serve(
    listener: TcpListener,
    settings: &Settings,
    lifecycle: &Lifecycle,
    metrics: &Metrics,
    upstream: &Upstream,
    operators: Router,
) -> Result<Admin, AdminError> {
    let mut routes = Router::new().route_service("/metrics", metrics.service());
    if settings.env == Env::Dev {
        routes = routes.merge(upstream.admin_route());
        if listener.local_addr().is_ok_and(|address| address.ip().is_loopback()) {
            routes = routes.merge(trace_test::route());
        }
    }
    // Any process of the machine can reach a loopback address, so operators need a token.
    if settings.admin_token.is_some() {
        routes = routes.merge(operators);
    }
    let routes = routes.layer(ProblemLayer::new());
    let mut admin = Admin::from_listener(listener).routes(routes);
    if let Some(token) = &settings.admin_token {
        admin = admin.token(Arc::clone(token));
    }
    admin.serve(lifecycle)
}
