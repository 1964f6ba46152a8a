//! The whole of loading: from variables and real files to secrets, or to a report.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod behaviour;
#[cfg(unix)]
mod files;
mod fixture;
mod leaks;
#[cfg(target_os = "linux")]
mod memory;
