//! The store on a real server.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../../../crates/auth/tests/it/sessions/conformance.rs"]
mod conformance;
mod faults;
mod instance;
mod pool;
mod revocations;
mod server;
mod service;
mod suite;
