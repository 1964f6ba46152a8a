//! The forms of values. Each error names what to write instead.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use hardpoint::{
    auth::session::Rotation, health::Lifecycle, observability::Logs, ratelimit::Quota,
};

use super::{Env, LogFormat};

pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(super) fn env(text: &str) -> Result<Env, String> {
    match text {
        "dev" => Ok(Env::Dev),
        "prod" => Ok(Env::Prod),
        _ => Err("write `dev` or `prod`".to_owned()),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:3000".to_owned())
}

pub(super) fn optional_quota(text: &str) -> Result<Option<Quota>, String> {
    match text {
        "off" => Ok(None),
        _ => quota(text).map(Some).map_err(|remedy| format!("{remedy}, or `off`")),
    }
}

pub(super) fn quota(text: &str) -> Result<Quota, String> {
    text.parse()
        .map_err(|_| "write CELLS/PERIOD or CELLS/PERIOD:BURST, such as 200/1s:400".to_owned())
}

/// Parses the drain deadline, which must leave time for the drain to settle.
pub(super) fn drain_deadline(text: &str) -> Result<Duration, String> {
    let deadline = duration(text)?;
    let possible = Lifecycle::builder().drain_deadline(deadline).build();
    possible.map(|_| deadline).map_err(|error| format!("fix it: {error}"))
}

/// Parses the grace of refresh tokens; `0` disables it.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    let grace = if text == "0" { Duration::ZERO } else { duration(text)? };
    if grace > Rotation::MAX_GRACE {
        return Err("write at most 60s: a thief who is as fast is not noticed".to_owned());
    }
    Ok(grace)
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err("write `human` or `json`".to_owned()),
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let checked = Logs::human().filter(text).check();
    checked.map(|()| text.to_owned()).map_err(|error| format!("fix it: {error}"))
}

pub(super) fn sample(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "write a whole number, such as 10 for one line in ten".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a duration, such as 500ms, 5s or 1m".to_owned())
}
