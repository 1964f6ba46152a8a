//! Log lines that a machine can read, and that nobody can forge.
//!
//! A log is evidence: a caller who can write a line break, a quote or an escape sequence into it
//! can invent lines, hide others, or take over the terminal that shows them. Here every line is one
//! object whose strings are escaped, whatever was logged, and whose names never stand in it twice.
//!
//! # Example
//!
//! ```
//! use hardpoint_observability::Logs;
//!
//! // A whole program does this once, first thing in main:
//! let logs = Logs::json("orders").version(env!("CARGO_PKG_VERSION")).environment("prod").filter("info,hyper=warn");
//! let handle = logs.init()?;
//! tracing::info!(order = 7, "shipped");
//! // {"timestamp":"2027-01-15T08:00:00.000000Z","level":"INFO","message":"shipped",
//! //  "target":"orders","service":"orders","version":"1.4.2","environment":"prod","order":7}
//! assert_eq!(handle.dropped(), 0);
//!
//! // A filter that would silence the log by mistake is refused.
//! let mistake = Logs::human().filter("inof").init();
//! assert!(mistake.is_err_and(|error| error.to_string().contains("`inof`, which is no directive")));
//! # Ok::<(), hardpoint_observability::ConfigError>(())
//! ```
//!
//! # Semantics
//! 1. A JSON line has `timestamp` (RFC 3339, UTC, microseconds), `level`, `message`, `target`,
//!    `service`, `version` and `environment`, in this order; then the fields of the event; then
//!    those of the spans around it, innermost first, where the event has no field of that name.
//! 2. No name stands twice in a line. An event's field that is called like one of the seven, or like
//!    another field of the event, gets the prefix `field_`.
//! 3. A field without a value this time (an `Option` that is `None`) is `null` in JSON, so that it
//!    is always there, and left out for people.
//! 4. Control characters, line separators and characters that turn the direction of text around are
//!    escaped in both forms. A float that is no number is `null`.
//! 5. An error is written with its causes, up to 16 of them.
//! 6. A value longer than 8 KiB is cut, and ends in `[cut]`.
//! 7. A line is handed to the writer in one call. What cannot be written is counted by
//!    [`LogsHandle::dropped`], and neither panics nor fails anything.
//!
//! # Sharing
//! A [`Logs`] value and its clones count lost lines together. The buffer that a line is put
//! together in belongs to the thread.
//!
//! # Cancellation
//! Nothing waits, so nothing can be cancelled in between.
//!
//! # Deployment caveats
//! - Lines are written by the thread that logs them: a reader of standard output that stalls stalls
//!   the service with it.
//! - What `Debug` and `Display` say is written as it is. Never log a request, its headers or a
//!   token: wrap secrets in [`Secret`](hardpoint_core::Secret), whose `Debug` hides them.
//! - Records of the `log` crate are not picked up.
//!
//! # Where to put this layer
//! [`Logs::init`] comes first in `main`, before anything that may log. [`Logs::layer`] goes onto a
//! [`tracing_subscriber::Registry`] of your own, beside other layers.

mod config;
mod error;
mod escape;
mod filter;
mod layer;
mod line;
mod sink;
mod visit;

#[cfg(test)]
mod tests;

pub use self::{
    config::{Logs, LogsHandle},
    error::ConfigError,
};
