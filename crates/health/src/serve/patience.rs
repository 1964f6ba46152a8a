//! How long a connection may stay as it is. Pure: takes instants as time since the connection was
//! accepted.

use std::time::Duration;

use super::refused::Cause;

/// A client of HTTP/2 makes progress with this many bytes. Fewer are the server's pings, which a
/// client that reads nothing gets too.
const PROGRESS: u32 = 1024;
/// The shortest time between two looks that only a timer causes.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The limits that end a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatienceLimits {
    pub(super) http2: bool,
    pub(super) head: Duration,
    pub(super) write: Duration,
    pub(super) idle: Duration,
    pub(super) goaway_grace: Duration,
}

/// What a connection looks like between two polls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A request is in flight.
    pub(super) in_flight: bool,
    /// Every request in flight waits for nothing but the client.
    pub(super) on_client: bool,
    /// Every request in flight waits for its client to take a part of the response body.
    pub(super) unread: bool,
    /// The bytes that the socket has taken, modulo 2^32.
    pub(super) sent: u32,
    /// A request began since the last look.
    pub(super) served: bool,
    /// Bytes arrived since the last request began or ended. Without a request in flight, an HTTP/1
    /// connection has received a part of a head.
    pub(super) fed: bool,
    /// The last write did not fit into the socket.
    pub(super) blocked: bool,
    /// The client took bytes since the last look.
    pub(super) drained: bool,
}

/// The end of the server's patience while it drains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// Until when a part of a head may become a whole one.
    pub(super) settle_until: Duration,
    /// Until when a request may wait for its client.
    pub(super) client_until: Duration,
}

/// What to do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Close it. The cause is `None` if the client has done nothing wrong.
    Close(Option<Cause>),
    /// Start hyper's graceful shutdown, then judge again.
    ShutDown,
    /// Judge again at this time at the latest.
    Wait(Duration),
}

/// The state behind the judgements of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    limits: PatienceLimits,
    /// Since when no request has been in flight, no part of a head has been there and, on HTTP/2,
    /// no more of a response has been sent.
    quiet_since: Duration,
    /// Since when a part of a head has been there.
    head_since: Option<Duration>,
    /// Since when the client has not taken a byte of a blocked write.
    stalled_since: Option<Duration>,
    /// [`Seen::sent`] at the last progress on HTTP/2, or at the last look at work.
    sent: u32,
    /// When the graceful shutdown started.
    shut_down: Option<Duration>,
}

impl Patience {
    /// The connection of a client whose first byte arrived at `first_byte`.
    pub(super) const fn new(limits: PatienceLimits, first_byte: Duration) -> Self {
        Self {
            limits,
            quiet_since: first_byte,
            // HTTP/2 has frames that belong to no head, so only idleness bounds it.
            head_since: if limits.http2 { None } else { Some(first_byte) },
            stalled_since: None,
            sent: 0,
            shut_down: None,
        }
    }

    /// Whether nothing but a timer can change the last judgement. Spares the clock on most polls.
    pub(super) const fn is_calm(&self, seen: Seen) -> bool {
        !self.is_blocked(seen)
            && !self.is_part_of_head(seen)
            && self.stalled_since.is_none()
            && self.head_since.is_none()
            && self.shut_down.is_none()
    }

    /// Judges the connection. `stop` is set once the server drains.
    pub(super) fn judge(&mut self, now: Duration, seen: Seen, stop: Option<Stop>) -> Next {
        self.note(now, seen);
        let quiet = !seen.in_flight && !seen.blocked;
        if self.stalled_since.is_some_and(|since| now >= since.saturating_add(self.limits.write)) {
            return Next::Close(Some(Cause::Write));
        }
        if self.head_since.is_some_and(|since| now >= since.saturating_add(self.limits.head)) {
            return Next::Close(Some(Cause::Head));
        }
        let next = match (stop, self.shut_down) {
            (Some(stop), _) => self.judge_stopping(now, seen, stop),
            (None, Some(at)) if quiet => self.after_goaway(now, at),
            (None, None) if quiet => self.judge_idle(now),
            // A timer for requests that end without another look.
            (None, _) => Next::Wait(self.later(now)),
        };
        match next {
            Next::Wait(until) => Next::Wait(self.earliest(until)),
            Next::Close(_) => next,
            Next::ShutDown => {
                self.shut_down = Some(now);
                next
            }
        }
    }

    fn note(&mut self, now: Duration, seen: Seen) {
        // h2 still has to send what it took of a response whose request is over.
        let progress = self.limits.http2 && seen.sent.wrapping_sub(self.sent) >= PROGRESS;
        if progress || (seen.in_flight && self.stalled_since.is_none()) {
            self.sent = seen.sent;
        }
        let part_of_head = self.is_part_of_head(seen);
        if seen.served || seen.in_flight || part_of_head || progress {
            self.quiet_since = now;
        }
        // While the socket has room, a write need not be a part of the response.
        let taken = if seen.blocked { seen.drained } else { progress };
        let blocked = self.is_blocked(seen);
        self.stalled_since = match self.stalled_since {
            Some(since) if blocked && !taken => Some(since),
            _ => blocked.then_some(now),
        };
        self.head_since = part_of_head.then(|| self.head_since.unwrap_or(now));
    }

    const fn is_part_of_head(&self, seen: Seen) -> bool {
        !self.limits.http2 && seen.fed && !seen.in_flight
    }

    /// Whether every response waits for its client. On HTTP/2, a client can keep its window shut
    /// while the socket has room.
    const fn is_blocked(&self, seen: Seen) -> bool {
        seen.blocked || (self.limits.http2 && seen.unread)
    }

    /// When to look again for a change that wakes no task.
    fn later(&self, now: Duration) -> Duration {
        now.saturating_add((self.limits.idle / 4).max(LEAST_PAUSE))
    }

    fn judge_idle(&self, now: Duration) -> Next {
        let until = self.quiet_since.saturating_add(self.limits.idle);
        if now < until {
            // More often than at its end, since a request that ended between two looks shows only
            // in the next one.
            return Next::Wait(until.min(self.later(now)));
        }
        if self.limits.http2 { Next::ShutDown } else { Next::Close(None) }
    }

    fn judge_stopping(&self, now: Duration, seen: Seen, stop: Stop) -> Next {
        let quiet = !seen.in_flight && !seen.blocked;
        if quiet && !self.limits.http2 {
            // hyper's graceful shutdown would drop a head that is arriving.
            let arriving = self.head_since.is_some() && now < stop.settle_until;
            return if arriving { Next::Wait(stop.settle_until) } else { Next::Close(None) };
        }
        let Some(at) = self.shut_down else { return Next::ShutDown };
        if quiet {
            // What h2 still has to send waits only for the client.
            return match self.after_goaway(now, at) {
                Next::Wait(_) if now >= stop.client_until => Next::Close(None),
                Next::Wait(until) => Next::Wait(until.min(stop.client_until)),
                next => next,
            };
        }
        let on_client = seen.on_client || seen.blocked;
        match now >= stop.client_until {
            true if on_client => Next::Close(None),
            true => Next::Wait(self.later(now)),
            false => Next::Wait(stop.client_until),
        }
    }

    /// hyper waits for the answer to its ping, and for the client to take the rest of a response,
    /// without a limit.
    fn after_goaway(&self, now: Duration, at: Duration) -> Next {
        let until = at.max(self.quiet_since).saturating_add(self.limits.goaway_grace);
        if now >= until { Next::Close(None) } else { Next::Wait(until) }
    }

    fn earliest(&self, until: Duration) -> Duration {
        let stalled = self.stalled_since.map(|since| since.saturating_add(self.limits.write));
        let head = self.head_since.map(|since| since.saturating_add(self.limits.head));
        [stalled, head].into_iter().flatten().fold(until, Duration::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PatienceLimits = PatienceLimits {
        http2: false,
        head: secs(10),
        write: secs(30),
        idle: secs(76),
        goaway_grace: Duration::from_millis(250),
    };
    const HTTP2: PatienceLimits = PatienceLimits { http2: true, ..LIMITS };
    const QUIET: Seen = Seen {
        in_flight: false,
        on_client: false,
        unread: false,
        sent: 0,
        served: false,
        fed: false,
        blocked: false,
        drained: false,
    };
    const HEAD: Seen = Seen { fed: true, ..QUIET };
    const WORK: Seen = Seen { in_flight: true, ..QUIET };
    const STOP: Stop = Stop { settle_until: secs(101), client_until: secs(110) };
    /// When the server stops.
    const STOPPED: Duration = secs(100);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Judges at every time that a judgement names, until the connection closes.
    fn lives(
        patience: &mut Patience,
        mut now: Duration,
        seen: Seen,
        stop: Option<Stop>,
    ) -> (Duration, Option<Cause>) {
        for _ in 0..1_000 {
            match patience.judge(now, seen, stop) {
                Next::Close(cause) => return (now, cause),
                Next::ShutDown => {}
                Next::Wait(until) => {
                    assert!(until > now, "{until:?}");
                    now = until;
                }
            }
        }
        panic!("still open at {now:?}");
    }

    #[test]
    fn a_head_has_its_time_from_its_first_byte_on() {
        let mut patience = Patience::new(LIMITS, secs(3));
        assert_eq!(lives(&mut patience, secs(5), HEAD, None), (secs(13), Some(Cause::Head)));
    }

    #[test]
    fn a_second_head_has_its_time_too() {
        let mut patience = Patience::new(LIMITS, secs(0));
        patience.judge(secs(1), Seen { served: true, ..WORK }, None);
        patience.judge(secs(2), QUIET, None);
        assert_eq!(lives(&mut patience, secs(50), HEAD, None), (secs(60), Some(Cause::Head)));
    }

    #[test]
    fn an_idle_connection_closes_without_blame() {
        let mut patience = Patience::new(LIMITS, secs(0));
        patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
        assert_eq!(lives(&mut patience, secs(2), QUIET, None), (secs(77), None));
    }

    #[test]
    fn a_head_that_arrives_at_the_end_of_the_idle_time_has_its_own_time() {
        let mut patience = Patience::new(LIMITS, secs(0));
        patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
        assert_eq!(lives(&mut patience, secs(76), HEAD, None), (secs(86), Some(Cause::Head)));
    }

    #[test]
    fn no_idle_time_waits_between_two_looks() {
        let limits = PatienceLimits { idle: secs(0), ..LIMITS };
        let mut patience = Patience::new(limits, secs(0));
        assert_eq!(patience.judge(secs(5), WORK, None), Next::Wait(secs(6)));
        let mut patience = Patience { shut_down: Some(STOPPED), ..patience };
        assert_eq!(patience.judge(secs(111), WORK, Some(STOP)), Next::Wait(secs(112)));
    }

    #[test]
    fn a_shut_window_blocks_http_2_and_pings_do_not_open_it() {
        let unread = |sent| Seen { on_client: true, unread: true, sent, ..WORK };
        let mut patience = Patience::new(HTTP2, secs(0));
        patience.judge(secs(1), unread(5_000), None);
        assert!(!patience.is_calm(unread(5_000)));
        // Pings.
        patience.judge(secs(20), Seen { drained: true, ..unread(5_034) }, None);
        assert_eq!(
            lives(&mut patience.clone(), secs(25), unread(5_034), None),
            (secs(31), Some(Cause::Write))
        );
        // The client takes a part.
        patience.judge(secs(25), unread(7_000), None);
        assert_eq!(lives(&mut patience, secs(26), unread(7_000), None).0, secs(55));
        // HTTP/1 asks for the next part before it writes the last one.
        let mut patience = Patience::new(LIMITS, secs(0));
        patience.judge(secs(1), unread(5_000), None);
        assert!(patience.is_calm(unread(5_000)));
    }

    #[test]
    fn http_2_is_neither_idle_nor_drained_while_it_sends_the_rest_of_a_response() {
        let sends = |sent| Seen { sent, ..QUIET };
        let mut patience = Patience::new(HTTP2, secs(0));
        for second in 1..200_u32 {
            let next = patience.judge(secs(second.into()), sends(second * 1_024), None);
            assert!(matches!(next, Next::Wait(_)), "{second}: {next:?}");
        }
        let sent = 200 * 1_024;
        let mut slow = patience;
        assert_eq!(patience.judge(secs(300), sends(sent), None), Next::Wait(secs(319)));
        assert_eq!(patience.judge(secs(376), sends(sent), None), Next::ShutDown);

        let stop = Stop { settle_until: secs(201), client_until: secs(210) };
        assert_eq!(slow.judge(secs(200), sends(sent), Some(stop)), Next::ShutDown);
        for second in 201..210_u32 {
            let next = slow.judge(secs(second.into()), sends(second * 1_024), Some(stop));
            assert!(matches!(next, Next::Wait(_)), "{second}: {next:?}");
        }
        assert_eq!(slow.judge(secs(210), sends(210 * 1_024), Some(stop)), Next::Close(None));
    }

    #[test]
    fn a_request_that_takes_long_keeps_its_connection() {
        let mut patience = Patience::new(LIMITS, secs(0));
        let mut now = secs(1);
        while now < secs(10_000) {
            let Next::Wait(until) = patience.judge(now, WORK, None) else { panic!("closed") };
            now = until;
        }
        // It is idle from its end on.
        assert_eq!(lives(&mut patience, now, QUIET, None).1, None);
    }

    #[test]
    fn a_client_that_takes_a_byte_has_its_time_again() {
        let mut patience = Patience::new(LIMITS, secs(0));
        let blocked = Seen { blocked: true, ..WORK };
        patience.judge(secs(1), blocked, None);
        patience.judge(secs(20), Seen { drained: true, ..blocked }, None);
        assert_eq!(lives(&mut patience, secs(25), blocked, None), (secs(50), Some(Cause::Write)));
    }

    #[test]
    fn http_2_says_goodbye_before_it_closes_an_idle_connection() {
        let mut patience = Patience::new(HTTP2, secs(0));
        patience.judge(secs(0), Seen { served: true, ..QUIET }, None);
        // Bytes that belong to no head do not matter.
        assert_eq!(patience.judge(secs(40), HEAD, None), Next::Wait(secs(59)));
        assert_eq!(patience.judge(secs(76), HEAD, None), Next::ShutDown);
        let end = secs(76) + Duration::from_millis(250);
        assert_eq!(lives(&mut patience, secs(76), QUIET, None), (end, None));
    }

    #[test]
    fn a_drain_closes_a_quiet_connection_at_once_and_waits_for_an_arriving_head() {
        let mut patience = Patience::new(LIMITS, secs(0));
        patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
        let mut arriving = patience;
        assert_eq!(patience.judge(STOPPED, QUIET, Some(STOP)), Next::Close(None));
        assert_eq!(lives(&mut arriving, STOPPED, HEAD, Some(STOP)), (secs(101), None));
    }

    #[test]
    fn a_head_that_arrives_in_time_is_served_by_a_drain() {
        let mut patience = Patience::new(LIMITS, secs(99));
        assert_eq!(patience.judge(STOPPED, HEAD, Some(STOP)), Next::Wait(secs(101)));
        assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::ShutDown);
        assert!(matches!(patience.judge(STOPPED, WORK, Some(STOP)), Next::Wait(_)));
    }

    #[test]
    fn a_drain_gives_clients_their_share_and_work_its_time() {
        for waits in [Seen { on_client: true, ..WORK }, Seen { blocked: true, ..WORK }] {
            let mut patience = Patience::new(LIMITS, secs(0));
            assert_eq!(lives(&mut patience, STOPPED, waits, Some(STOP)), (secs(110), None));
        }
        let mut patience = Patience::new(LIMITS, secs(0));
        assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::ShutDown);
        assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::Wait(secs(110)));
        assert!(matches!(patience.judge(secs(111), WORK, Some(STOP)), Next::Wait(_)));
        // The work is done, and only the client is left.
        let waits = Seen { on_client: true, ..WORK };
        assert_eq!(patience.judge(secs(112), waits, Some(STOP)), Next::Close(None));
    }

    #[test]
    fn http_2_closes_after_a_grace_even_if_no_ping_is_answered() {
        let mut patience = Patience::new(HTTP2, secs(0));
        assert_eq!(patience.judge(STOPPED, QUIET, Some(STOP)), Next::ShutDown);
        let end = STOPPED + Duration::from_millis(250);
        assert_eq!(lives(&mut patience, STOPPED, QUIET, Some(STOP)), (end, None));
    }

    #[test]
    fn only_a_plain_connection_is_calm() {
        let mut patience = Patience::new(LIMITS, secs(0));
        assert!(!patience.is_calm(QUIET), "its first head has not been judged");
        patience.judge(secs(0), WORK, None);
        assert!(patience.is_calm(WORK) && patience.is_calm(QUIET));
        assert!(!patience.is_calm(HEAD));
        assert!(patience.is_calm(Seen { fed: true, ..WORK }));
        assert!(!patience.is_calm(Seen { blocked: true, ..WORK }));
    }
}
