//! core as its users see it: in a service, in memory, and on the wire.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alloc;
mod contract;
mod gate;
mod refusals;
#[cfg(target_os = "linux")]
mod secret;
