//! Real servers on real sockets. Waits for events; the few durations are deadlines under test.

mod checks;
mod drain;
#[cfg(feature = "axum")]
mod listener;
#[cfg(unix)]
mod signals;
