//! The guard of log-ins.

use hardpoint::{
    auth::{AttemptStore, ConfigError, LoginGuard, lockout::Limits, session::RootSecret},
    core::Telemetry,
};

use crate::stores::Server;

/// Counts attempts to log in, in memory or on the server that instances share.
///
/// The limits by account, by device and of all are the defaults. Failures by network are counted by
/// the rate limiter, whose quota is a setting.
pub(crate) fn guard(
    root: &RootSecret,
    server: Option<&Server>,
    telemetry: &Telemetry,
) -> Result<LoginGuard, ConfigError> {
    let store = server.map_or_else(AttemptStore::memory, Server::attempts);
    let limits = Limits::new().network(None);
    LoginGuard::builder(store, root).limits(limits).telemetry(telemetry).build()
}
