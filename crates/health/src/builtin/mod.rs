//! Ready-made checks that need no client: network, disk, limits of the process, certificates and
//! clocks.
//!
//! Each function returns what [`Check::new`](crate::Check::new) runs, so that a check gets its name,
//! period and impact like any other.
//!
//! ```
//! use hardpoint_health::{Check, Checks, builtin};
//! use std::time::Duration;
//!
//! let hour = Duration::from_secs(3_600);
//! let checks = Checks::builder()
//!     .add_check(Check::new("dns", builtin::dns("search.internal")))
//!     .add_check(Check::new("search", builtin::tcp("search.internal:9200")).depends_on("dns"))
//!     .add_check(Check::new("files", builtin::open_files(90)))
//!     .add_check(Check::new("memory", builtin::cgroup_memory(90)))
//!     .add_check(
//!         Check::new("certificate", builtin::certificate_expiry("/etc/tls/chain.pem", 14 * 24 * hour))
//!             .every(hour),
//!     )
//!     .build()?;
//! # drop(checks);
//! # Ok::<(), hardpoint_health::ConfigError>(())
//! ```
//!
//! | function | fails with the codes |
//! |---|---|
//! | [`tcp()`] | `unresolved`, `refused`, `unreachable`, `timeout` |
//! | [`dns()`] | `unresolved` |
//! | [`http()`] | `failed`, `redirected`, `client_error`, `server_error`, `unexpected` |
//! | [`disk_space()`] (Unix) | `failed`, `full` |
//! | [`open_files()`] | `unsupported`, `exhausted` |
//! | [`cgroup_memory()`] | `exhausted` |
//! | [`certificate_expiry()`] | `unreadable`, `expiring`, `expired` |
//! | [`clock_skew()`] | `failed`, `no_date`, `skewed` |
//!
//! [`tcp()`] ends by itself after 10 seconds and [`dns()`] when the system's resolver gives up. Set
//! [`cancel_at_timeout`](crate::Check::cancel_at_timeout) on a check with [`http()`] or
//! [`clock_skew()`] if dropping a request of the client ends its work.
//!
//! `sqlx::pool` (feature `sqlx`) checks a pool of database connections.
//!
//! The checks of the disk and of the process read files on the thread of the checks, which may
//! block: the other checks then move to another thread.

use std::pin::Pin;

#[cfg(unix)]
pub use self::disk::disk_space;
pub use self::{
    certificate::certificate_expiry,
    clock::clock_skew,
    network::{dns, http, tcp},
    process::{cgroup_memory, open_files},
};
use crate::Down;

mod certificate;
mod cgroup;
mod clock;
mod der;
#[cfg(unix)]
mod disk;
mod network;
mod process;

/// One run of a ready-made check.
pub type RunFuture = Pin<Box<dyn Future<Output = Result<(), Down>> + Send>>;

/// Boxes a run that waits for nothing.
fn at_once(result: Result<(), Down>) -> RunFuture {
    Box::pin(std::future::ready(result))
}
