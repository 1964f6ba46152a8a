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

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(25);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A connection that is steady at `t0`.
    fn steady() -> (Watch, Instant) {
        let t0 = Instant::now();
        (Watch::new(DEADLINE, ms(1), t0), t0)
    }

    #[test]
    fn one_deadline_without_an_answer_makes_it_late_and_asks_at_once() {
        let (mut watch, t0) = steady();
        assert_eq!(watch.judge(Some(t0), t0 + ms(24)), Verdict::Steady);
        assert!(!watch.probe(t0 + ms(24)));
        assert_eq!(watch.judge(Some(t0), t0 + ms(25)), Verdict::Late);
        assert!(watch.probe(t0 + ms(25)), "a probe goes out at once");
        assert!(!watch.probe(t0 + ms(26)), "and only one");
    }

    #[test]
    fn a_late_answer_does_not_make_it_steady_and_a_probe_in_time_does() {
        let (mut watch, t0) = steady();
        watch.judge(Some(t0), t0 + ms(25));
        watch.heard(None, t0 + ms(60));
        assert_eq!(watch.judge(None, t0 + ms(60)), Verdict::Late);
        watch.heard(Some(ms(26)), t0 + ms(61));
        assert_eq!(watch.judge(None, t0 + ms(61)), Verdict::Late);
        watch.heard(Some(ms(25)), t0 + ms(400));
        assert_eq!(watch.judge(None, t0 + ms(400)), Verdict::Steady);
    }

    #[test]
    fn silence_ends_it_and_late_answers_do_not() {
        let (mut watch, t0) = steady();
        for slow in (0..2000).step_by(150) {
            // Something is always unanswered, and something always arrives late.
            let now = t0 + ms(slow);
            assert_ne!(watch.judge(Some(t0), now), Verdict::Dead, "at {slow} ms");
            watch.heard(None, now);
        }
        let (mut watch, t0) = steady();
        assert_eq!(watch.judge(Some(t0), t0 + ms(199)), Verdict::Late);
        assert_eq!(watch.judge(Some(t0), t0 + ms(200)), Verdict::Dead);
    }

    #[test]
    fn probes_of_a_late_connection_are_at_most_half_a_second_apart() {
        let (mut watch, t0) = steady();
        watch.judge(Some(t0), t0 + DEADLINE);
        let mut sent = Vec::new();
        for now in (25..5_000).map(|now| t0 + ms(now)) {
            if watch.probe(now) {
                sent.push(now);
            }
            // Each is answered 40 ms later: too late.
            if sent.last().is_some_and(|last| now == *last + ms(40)) {
                watch.heard(Some(ms(40)), now);
            }
        }
        assert!(sent.len() >= 10, "{} probes in 5 s", sent.len());
        assert!(sent.array_windows().all(|[a, b]| *b - *a <= ms(500)));
    }

    #[test]
    fn an_idle_connection_is_asked_once_a_second_and_a_busy_one_never() {
        let (mut watch, t0) = steady();
        assert!(!watch.probe(t0 + ms(999)));
        assert!(watch.probe(t0 + ms(1_000)));
        let (mut watch, t0) = steady();
        for now in (0..10_000).map(|now| t0 + ms(now)) {
            watch.heard(None, now);
            assert!(!watch.probe(now));
        }
    }

    #[test]
    fn a_server_that_is_slow_from_the_start_is_late_from_the_start() {
        let t0 = Instant::now();
        assert!(Watch::new(DEADLINE, ms(26), t0).is_late());
        assert!(!Watch::new(DEADLINE, ms(25), t0).is_late());
    }

    #[test]
    fn it_is_judged_again_in_time() {
        let (mut watch, t0) = steady();
        assert_eq!(watch.wake(Some(t0)), t0 + DEADLINE);
        watch.judge(Some(t0), t0 + DEADLINE);
        assert_eq!(watch.wake(Some(t0)), t0 + DEADLINE, "a probe is due");
        assert!(watch.probe(t0 + DEADLINE));
        assert_eq!(watch.wake(Some(t0)), t0 + ms(200), "then the end of the silence");
    }
}
