//! Judges a connection by when it answers.

use std::time::Duration;

use tokio::time::Instant;

/// What a connection is judged by. It knows no clock: every method takes the time.
///
/// A connection is *steady* until a command stays unanswered for one deadline. From then on it is
/// *late*, and only a probe that is answered within the deadline makes it steady again: an answer
/// that comes late proves a connection, not a server that serves in time. A connection on which
/// nothing arrives for [`SILENCE`] deadlines is *dead*, even if the other end still accepts bytes.
#[derive(Debug)]
pub(super) struct Watch {
    deadline: Duration,
    late: bool,
    last_heard: Instant,
    next_probe: Instant,
    probing: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send commands.
    Steady,
    /// Refuse commands.
    Late,
    /// Make a new connection.
    Dead,
}

/// A connection is dead after this many deadlines without a byte, and not before [`LEAST_SILENCE`].
const SILENCE: u32 = 8;
const LEAST_SILENCE: Duration = Duration::from_millis(200);
/// The time between probes: of a connection that is late, and of one that has nothing to do.
const PROBE_LATE: Duration = Duration::from_millis(250);
const PROBE_IDLE: Duration = Duration::from_secs(1);

impl Watch {
    pub(super) fn new(deadline: Duration, round_trip: Duration, now: Instant) -> Self {
        let late = round_trip > deadline;
        let next_probe = now + if late { PROBE_LATE } else { PROBE_IDLE };
        Self { deadline, late, last_heard: now, next_probe, probing: false }
    }

    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Whether judging now would change the verdict: the oldest unanswered command is overdue, or
    /// the silence too long.
    pub(super) fn is_due(&self, oldest: Instant, now: Instant) -> bool {
        let late = !self.late && now.saturating_duration_since(oldest) >= self.deadline;
        late || now.saturating_duration_since(self.last_heard.max(oldest)) >= self.silence()
    }

    /// Judges the connection. `oldest` is when the oldest unanswered command was sent.
    pub(super) fn judge(&mut self, oldest: Option<Instant>, now: Instant) -> Verdict {
        let Some(oldest) = oldest else {
            return if self.late { Verdict::Late } else { Verdict::Steady };
        };
        let waited = now.saturating_duration_since(oldest);
        if waited >= self.deadline && !self.late {
            self.late = true;
            // A probe at once, even if another is under way: the server may have paused for a moment
            // only.
            self.next_probe = now;
            self.probing = false;
        }
        let silent = now.saturating_duration_since(self.last_heard.max(oldest));
        if silent >= self.silence() {
            return Verdict::Dead;
        }
        if self.late { Verdict::Late } else { Verdict::Steady }
    }

    /// An answer arrived. `probe` is how long it took, if it answers a probe.
    pub(super) fn heard(&mut self, probe: Option<Duration>, now: Instant) {
        self.last_heard = now;
        if let Some(took) = probe {
            self.probing = false;
            self.late = took > self.deadline;
        }
        self.next_probe =
            self.next_probe.max(now + if self.late { PROBE_LATE } else { PROBE_IDLE });
    }

    /// Whether to send a probe now.
    pub(super) fn probe(&mut self, now: Instant) -> bool {
        if self.probing || now < self.next_probe {
            return false;
        }
        self.probing = true;
        self.next_probe = now + PROBE_LATE;
        true
    }

    /// When to judge again, at the latest.
    pub(super) fn wake(&self, oldest: Option<Instant>) -> Instant {
        let probe = if self.probing { None } else { Some(self.next_probe) };
        let judged = oldest.map(|oldest| {
            if self.late {
                self.last_heard.max(oldest) + self.silence()
            } else {
                oldest + self.deadline
            }
        });
        [probe, judged].into_iter().flatten().min().unwrap_or(self.next_probe + PROBE_IDLE)
    }

    fn silence(&self) -> Duration {
        (self.deadline * SILENCE).max(LEAST_SILENCE)
    }
}
