//! The guard of log-ins.

use std::num::NonZeroU32;

use hardpoint::{
    auth::{
        AttemptStore, ConfigError, LoginGuard,
        lockout::{Limits, Rate},
    },
    core::Telemetry,
    ratelimit::Quota,
};

use crate::{settings::Settings, stores::Server};

/// Counts attempts to log in, in memory or on the server that instances share.
///
/// The limits by account, by device and of all are the defaults. The limit by network is a setting. It is
/// the guard's and not the rate limiter's, which knows no devices: an attacker who shares a network with
/// the owner of an account, behind one router or at one carrier, would keep the owner out.
pub(crate) fn guard(
    settings: &Settings,
    server: Option<&Server>,
    telemetry: &Telemetry,
) -> Result<LoginGuard, ConfigError> {
    let store = server.map_or_else(AttemptStore::memory, Server::attempts);
    let limits = Limits::new().network(Some(rate(settings.log_in_rate_limit)));
    let guard = LoginGuard::builder(store, &settings.root.secret);
    guard.limits(limits).telemetry(telemetry).build()
}

fn rate(quota: Quota) -> Rate {
    let burst = NonZeroU32::new(quota.capacity()).unwrap_or(NonZeroU32::MIN);
    Rate::new(NonZeroU32::MIN, quota.interval()).burst(burst)
}
