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
mod tests;
