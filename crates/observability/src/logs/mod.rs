//! Log lines that are safe to parse and cannot be forged.
//!
//! A log is evidence. A caller who can write a line break, a quote or an escape sequence into it
//! can invent lines, hide others, or take over the terminal that shows them. Here every line is one
//! object: its strings are escaped, regardless of what was logged, and its names are unique.
//!
//! # Example
//!
//! ```
//! use hardpoint_observability::Logs;
//!
//! // A program does this once, first thing in main:
//! let logs = Logs::json("orders").version(env!("CARGO_PKG_VERSION")).environment("prod").filter("info,hyper=warn");
//! let handle = logs.init()?;
//! tracing::info!(order = 7, "shipped");
//! // {"timestamp":"2027-01-15T08:00:00.000000Z","level":"INFO","message":"shipped",
//! //  "target":"orders","service":"orders","version":"1.4.2","environment":"prod","order":7}
//! assert_eq!(handle.dropped(), 0);
//!
//! // A filter that would silence the log by mistake is rejected.
//! let mistake = Logs::human().filter("inof").init();
//! assert!(mistake.is_err_and(|error| error.to_string().contains("invalid directive `inof`")));
//! # Ok::<(), hardpoint_observability::ConfigError>(())
//! ```
//!
//! # Semantics
//! 1. A JSON line has `timestamp` (RFC 3339, UTC, microseconds), `level`, `message`, `target`,
//!    `service`, `version` and `environment`, in this order. The fields of the event follow, then
//!    the fields of the spans around it, innermost first, unless a field of that name is present.
//!    With [`Logs::init`], records of the `log` crate and panics are lines, too.
//! 2. Names in a line are unique. If a field of an event is named like one of the seven above or
//!    like another field of the event, it gets the prefix `field_`.
//! 3. A field without a value (an `Option` that is `None`) is `null` in JSON, so that it is always
//!    present, and is omitted from lines for people.
//! 4. Control characters, line separators and characters that change the direction of text are
//!    escaped in both formats. A float that is NaN or infinite is `null` in JSON.
//! 5. An error is written with up to 16 of its causes.
//! 6. Secrets and personal data are [redacted](crate::redact), by the names of fields and by patterns
//!    in texts.
//! 7. A value longer than 8 KiB is truncated and ends in `[cut]`.
//! 8. With [`Logs::init`] and [`Logs::queued_layer`], a dedicated thread writes the lines. No
//!    request waits for the output, and no line takes a lock that all threads share. The lines of
//!    one thread keep their order. Lines of different threads may be swapped within one round of
//!    the writer, about a millisecond; their timestamps are unaffected. With [`Logs::layer`], each
//!    line is written in one call.
//! 9. Lines that cannot be written, or that do not fit into the [queue](Logs::queue_bytes), cause
//!    neither a panic nor an error. [`LogsHandle::dropped`] counts them, exactly unless the output
//!    buffers, and a later line `log lines dropped` reports their number.
//!
//! 10. [`LogFile`] is an output that rotates by size and time and deletes old files.
//!
//! # Sharing
//! A [`Logs`] value and its clones count lost lines together. Each thread formats lines in its own
//! buffer.
//!
//! # Cancellation
//! Logging never awaits, so it cannot be cancelled.
//!
//! # Deployment caveats
//! - With glibc and on macOS, the queue is written when `main` returns, when the thread that called
//!   [`Logs::init`] or one that logged a line calls `process::exit`, and after a panic that unwinds.
//!   Elsewhere (musl, Windows), call [`LogsHandle::flush`] at the end of `main`. `abort`, `_exit` and
//!   SIGKILL lose at most one round.
//! - A thread that logged waits for its lines when it ends. If the output stalls, the first such
//!   thread waits 200 ms, and the others do not wait until the output makes progress.
//! - Redaction finds what has a mark: a name, a prefix, a check digit. Wrap secrets in
//!   [`Secret`](hardpoint_core::Secret), whose `Debug` hides them, and never log a request's body.
//!
//! # Where to put this layer
//! Call [`Logs::init`] first in `main`, before anything that may log. Add [`Logs::layer`] to your
//! own [`tracing_subscriber::Registry`], beside other layers.

#[cfg(feature = "test")]
pub(crate) mod captured;
mod change;
mod config;
mod date;
mod error;
pub(crate) mod escape;
pub(crate) mod export;
mod file;
mod filter;
pub(crate) mod inner;
mod layer;
mod line;
mod names;
mod number;
mod panics;
mod queue;
mod resource;
mod roles;
mod sink;
mod stored;
mod timestamp;
pub(crate) mod value;
mod visit;

#[cfg(test)]
mod tests;

pub use self::{
    config::{Logs, LogsHandle},
    error::ConfigError,
    file::{LogFile, LogFileOutput},
};
