//! The link against real servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod commands;
mod connect;
mod faults;
mod support;
mod tail;
