//! Counts what a server refuses, and logs it at a bounded rate.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tracing::warn;

/// One line per cause and this time, however many connections are refused.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Why a server refused or closed a connection, or refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system returned an error for an incoming connection. `EMFILE` is one: the
    /// process has reached its limit of open files.
    Accept,
    /// The client sent the body of its request too slowly. The response is 408.
    Body,
    /// The client did not finish the TLS handshake, or did not send the first bytes, in time.
    Handshake,
    /// The client did not finish the head of its request in time.
    Head,
    /// An HTTP/1.1 request had no `Host` field, or more than one. The response is 400.
    Host,
    /// The client's network holds as many connections as one network may.
    Network,
    /// The server holds as many connections as it may.
    Server,
    /// The client did not read its response for too long.
    Write,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::Accept,
        Self::Body,
        Self::Handshake,
        Self::Head,
        Self::Host,
        Self::Network,
        Self::Server,
        Self::Write,
    ];

    /// The cause in `snake_case`, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Body => "body",
            Self::Handshake => "handshake",
            Self::Head => "head",
            Self::Host => "host",
            Self::Network => "network",
            Self::Server => "server",
            Self::Write => "write",
        }
    }

    /// The setting that an operator changes if the refusals are a mistake.
    const fn setting(self) -> &'static str {
        match self {
            Self::Accept => "limit of open files",
            Self::Body => "Server::body_stall, Server::body_rate",
            Self::Handshake => "Server::handshake_timeout",
            Self::Head => "Server::head_timeout",
            Self::Host => "none: RFC 9112 section 3.2",
            Self::Network => "Server::connections_per_network, Server::trusted_proxies",
            Self::Server => "Server::connections",
            Self::Write => "Server::write_timeout",
        }
    }
}

/// The counts of what a server refused. Created by [`Server::refused`](super::Server::refused).
///
/// Cheap to clone; all clones read the same counts.
#[derive(Clone)]
pub struct Refused {
    inner: Arc<Inner>,
}

struct Inner {
    born: Instant,
    lines: [Line; Cause::ALL.len()],
}

impl Refused {
    pub(super) fn new() -> Self {
        let lines = std::array::from_fn(|_| Line::default());
        Self { inner: Arc::new(Inner { born: Instant::now(), lines }) }
    }

    /// Returns how often the server refused or closed something for this cause.
    #[must_use]
    pub fn count(&self, cause: Cause) -> u64 {
        self.line(cause).map_or(0, |line| line.count.load(Ordering::Relaxed))
    }

    /// Counts one refusal and logs it, unless a recent line reported this cause.
    pub(super) fn note(&self, cause: Cause) {
        let Some(line) = self.line(cause) else { return };
        if let Some(refused) = line.note(self.inner.born.elapsed()) {
            warn!(
                target: "hardpoint::health::serve",
                cause = cause.as_str(),
                refused,
                setting = cause.setting(),
                "refused clients"
            );
        }
    }

    fn line(&self, cause: Cause) -> Option<&Line> {
        self.inner.lines.get(cause as usize)
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Cause::ALL.map(|cause| (cause.as_str(), self.count(cause)));
        f.debug_map().entries(counts).finish()
    }
}

/// The count of one cause, and when it was last logged.
#[derive(Debug, Default)]
struct Line {
    count: AtomicU64,
    /// The count that the last line reported.
    reported: AtomicU64,
    /// From when on the next line is due, in nanoseconds.
    due: AtomicU64,
}

impl Line {
    /// Counts one more. Returns the number to report if a line is due: all since the line before.
    fn note(&self, now: Duration) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let due = self.due.load(Ordering::Relaxed);
        if nanos(now) < due {
            return None;
        }
        let next = nanos(now.saturating_add(LINE_EVERY));
        // One of the threads that see the line due wins and writes it.
        let won = self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        won.ok().map(|_| count.saturating_sub(self.reported.swap(count, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line_per_period_and_loses_no_count() {
        let line = Line::default();
        let reported: Vec<u64> =
            (0..3_500).filter_map(|tenth| line.note(Duration::from_millis(tenth * 10))).collect();
        assert_eq!(reported, [1, 1_000, 1_000, 1_000]);
        assert_eq!(line.count.load(Ordering::Relaxed), 3_500);
    }

    #[test]
    fn threads_that_refuse_at_once_write_one_line() {
        let line = Line::default();
        let lines: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..1_000).filter_map(|_| line.note(Duration::ZERO)).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(lines, 1);
        assert_eq!(line.count.load(Ordering::Relaxed), 4_000);
    }

    #[test]
    fn each_cause_has_a_count_of_its_own() {
        let refused = Refused::new();
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
            for _ in 0..=index {
                refused.note(cause);
            }
        }
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(refused.count(cause), index as u64 + 1);
        }
    }
}
