//! The limiter as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod behaviour;
