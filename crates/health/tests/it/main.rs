//! Checks, probes, layers and drains, driven from outside.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod alloc;
mod cancellation;
mod checks;
mod contract;
mod drain;
mod faults;
mod logs;
mod observer;
mod probes;
mod support;
