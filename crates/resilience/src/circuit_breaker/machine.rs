//! A circuit's shared state: the word, the window, and how calls change them.
//!
//! # The protocol
//! - Every transition is one compare-and-swap of the word. The thread whose swap succeeds made the
//!   transition, and only it reports it.
//! - A call that passes a closed circuit only reads the word. Its outcome is counted in the window
//!   under the generation that the call started in, so it is not counted after a transition.
//! - Only a failed or slow call can open the circuit. It adds its outcome, passes a fence, and sums
//!   the window up. Of two threads that pass the fence at the same time, one sees both outcomes: a
//!   threshold that was reached is always seen.
//! - `opens` and `hint` are written by the thread that made a transition, or only ever grow. They
//!   lengthen a wait and decide nothing else.
//!
//! This file has only atomics: loom explores it.

use std::time::Duration;

use hardpoint_core::{Mono, event::CircuitState};

use super::{
    rules::{Reason, Rules},
    state::{self, Admission, Phase, Settled, Trial, Word},
    window::{Sum, Window},
};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, fence},
    tally::Tally,
};

/// A circuit without a clock.
#[derive(Debug)]
pub(super) struct Machine {
    word: AtomicU64,
    /// How often the circuit opened since it last stayed closed.
    opens: AtomicU32,
    /// Until when the destination asked to be left alone, in milliseconds; 0 if it did not.
    hint: AtomicU64,
    rules: Rules,
    counts: Counts,
}

/// What every outcome writes, away from the word, which every call reads.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    streak: Tally,
    window: Window,
    refused: AtomicU64,
    stale: AtomicU64,
}

/// The generation that a call started in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    generation: u32,
    is_trial: bool,
}

/// What an outcome counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Counts in the failure rate.
    pub(super) failed: bool,
    /// Counts as one more failure in a row.
    pub(super) strikes: bool,
    /// Counts in the rate of slow calls.
    pub(super) slow: bool,
    /// Until when the destination asked to be left alone.
    pub(super) hint: Option<Duration>,
}

/// A transition that the caller made and has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) to: CircuitState,
    pub(super) reason: Reason,
}

/// A call that the circuit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) retry_after: Option<Duration>,
    pub(super) change: Option<Change>,
}

impl Ticket {
    pub(super) const fn is_trial(self) -> bool {
        self.is_trial
    }
}

impl Machine {
    pub(super) fn new(window: Duration, rules: Rules) -> Self {
        Self {
            word: AtomicU64::new(Word::INITIAL.encode()),
            opens: AtomicU32::new(0),
            hint: AtomicU64::new(0),
            rules,
            counts: Counts {
                streak: Tally::new(),
                window: Window::new(window),
                refused: AtomicU64::new(0),
                stale: AtomicU64::new(0),
            },
        }
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Decides about a call. `draw` returns a uniform number below its argument.
    #[inline]
    pub(super) fn admit(
        &self,
        now: Mono,
        draw: impl Fn(u64) -> u64,
    ) -> Result<(Ticket, Option<Change>), Refused> {
        // Acquire: the call sees what the thread that closed the circuit did before.
        let bits = self.word.load(Ordering::Acquire);
        if Word::is_closed(bits) {
            let ticket = Ticket { generation: Word::generation_in(bits), is_trial: false };
            return Ok((ticket, None));
        }
        self.admit_by(bits, now, draw)
    }

    #[cold]
    fn admit_by(
        &self,
        mut bits: u64,
        now: Mono,
        draw: impl Fn(u64) -> u64,
    ) -> Result<(Ticket, Option<Change>), Refused> {
        loop {
            let word = Word::decode(bits);
            let (next, reason) = match state::admit(word, &self.rules, now, &draw) {
                Admission::Pass => {
                    return Ok((Ticket { generation: word.generation, is_trial: false }, None));
                }
                Admission::Refuse { retry_after } => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(Refused { retry_after, change: None });
                }
                Admission::Enter(next) => (next, Reason::Waited),
                Admission::Reopen => (word.next(self.opening(now, &draw)), Reason::HangingTrials),
            };
            match self.swap(bits, next) {
                Err(current) => bits = current,
                Ok(()) => {
                    let change = self.changed(word, next, reason);
                    if let Phase::Open { until } = next.phase {
                        self.counts.refused.fetch_add(1, Ordering::Relaxed);
                        let left = until.saturating_sub(state::millis(now));
                        let retry_after = Some(Duration::from_millis(left));
                        return Err(Refused { retry_after, change });
                    }
                    let is_trial = matches!(next.phase, Phase::HalfOpen { .. });
                    return Ok((Ticket { generation: next.generation, is_trial }, change));
                }
            }
        }
    }

    /// Records the outcome of a call that passed. `None` is the outcome of a call that shows nothing
    /// about the destination.
    #[inline]
    pub(super) fn record(
        &self,
        ticket: Ticket,
        verdict: Option<Verdict>,
        now: Mono,
        draw: impl Fn(u64) -> u64,
    ) -> Option<Change> {
        let bits = self.word.load(Ordering::Acquire);
        if Word::generation_in(bits) != ticket.generation {
            self.counts.stale.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if !Word::counts(bits) {
            return self.record_trial(bits, ticket, verdict, now, draw);
        }
        let verdict = verdict?;
        let at = self.counts.window.at(ticket.generation, now);
        self.counts.window.call(at);
        if verdict.failed || verdict.slow {
            return self.record_bad(ticket, verdict, now, draw);
        }
        // Nearly always zero: reading it does not take the cache line from other processors.
        if self.counts.streak.count(ticket.generation) > 0 {
            self.counts.streak.clear(ticket.generation);
        }
        None
    }

    /// Records a failed or slow call, whose share in the window's calls is already counted.
    #[cold]
    fn record_bad(
        &self,
        ticket: Ticket,
        verdict: Verdict,
        now: Mono,
        draw: impl Fn(u64) -> u64,
    ) -> Option<Change> {
        let Counts { streak, window, .. } = &self.counts;
        let generation = ticket.generation;
        window.bad_call(window.at(generation, now), verdict.failed, verdict.slow);
        let in_a_row = if verdict.strikes {
            // Ten bits of distance tell a newer generation from an older one.
            streak.add(generation, |found| (1..1 << 10).contains(&found.wrapping_sub(generation)))
        } else {
            if !verdict.failed && streak.count(generation) > 0 {
                streak.clear(generation);
            }
            0
        };
        self.keep_hint(verdict.hint, now);
        // After it, this thread sees what every thread counted that passed it before.
        fence(Ordering::SeqCst);
        let reason = self.rules.trip(in_a_row, || window.sum(generation, now))?;
        let mut bits = self.word.load(Ordering::Acquire);
        // While the generation is this call's, the circuit is closed: it may only take further steps
        // of its ramp meanwhile.
        while Word::generation_in(bits) == generation && Word::counts(bits) {
            let word = Word::decode(bits);
            let next = word.next(self.opening(now, &draw));
            match self.swap(bits, next) {
                Ok(()) => return self.changed(word, next, reason),
                Err(current) => bits = current,
            }
        }
        None
    }

    #[cold]
    fn record_trial(
        &self,
        mut bits: u64,
        ticket: Ticket,
        verdict: Option<Verdict>,
        now: Mono,
        draw: impl Fn(u64) -> u64,
    ) -> Option<Change> {
        let trial = match verdict {
            None => Trial::Ignored,
            Some(Verdict { failed: false, slow: false, .. }) => Trial::Succeeded,
            Some(verdict) => {
                self.keep_hint(verdict.hint, now);
                Trial::Failed
            }
        };
        while Word::generation_in(bits) == ticket.generation {
            let word = Word::decode(bits);
            let next = match state::settle(word, &self.rules, now, trial)? {
                Settled::Continue(next) => next,
                Settled::Reopen => word.next(self.opening(now, &draw)),
            };
            match self.swap(bits, next) {
                Ok(()) => return self.changed(word, next, Reason::Trials),
                Err(current) => bits = current,
            }
        }
        self.counts.stale.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Sets the phase that an operator asks for.
    pub(super) fn force(&self, phase: Phase) -> Option<Change> {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let word = Word::decode(bits);
            let next = word.next(phase);
            match self.swap(bits, next) {
                Err(current) => bits = current,
                Ok(()) => {
                    self.hint.store(0, Ordering::Relaxed);
                    return self.changed(word, next, Reason::Operator);
                }
            }
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Word::decode(self.word.load(Ordering::Acquire)).phase
    }

    /// The calls in the window that ends at `now`, and the failures in a row.
    pub(super) fn counted(&self, now: Mono) -> (Sum, u32) {
        let generation = Word::generation_in(self.word.load(Ordering::Acquire));
        (self.counts.window.sum(generation, now), self.counts.streak.count(generation))
    }

    /// The calls that were refused, and the outcomes that were dropped because the circuit had
    /// changed.
    pub(super) fn totals(&self) -> (u64, u64) {
        let Counts { refused, stale, .. } = &self.counts;
        (refused.load(Ordering::Relaxed), stale.load(Ordering::Relaxed))
    }

    fn swap(&self, from: u64, to: Word) -> Result<(), u64> {
        let swapped =
            self.word.compare_exchange(from, to.encode(), Ordering::AcqRel, Ordering::Acquire);
        swapped.map(|_| ())
    }

    /// The phase of a circuit that opens at `now`.
    fn opening(&self, now: Mono, draw: &impl Fn(u64) -> u64) -> Phase {
        let until = self.hint.load(Ordering::Relaxed);
        let hint = until.checked_sub(state::millis(now)).filter(|left| *left > 0);
        let before = self.opens.load(Ordering::Relaxed);
        state::open(now, self.rules.open_for(before, hint.map(Duration::from_millis), draw))
    }

    fn keep_hint(&self, hint: Option<Duration>, now: Mono) {
        if let Some(hint) = hint {
            let until = now.saturating_add(hint.min(self.rules.retry_after_at_most));
            self.hint.fetch_max(state::millis(until), Ordering::Relaxed);
        }
    }

    /// Keeps the counters of openings, and returns the change if users see one.
    fn changed(&self, from: Word, to: Word, reason: Reason) -> Option<Change> {
        let (before, after) = (from.phase.state(), to.phase.state());
        match to.phase {
            Phase::Open { .. } => {
                let before = self.opens.load(Ordering::Relaxed);
                self.opens.store(before.saturating_add(1), Ordering::Relaxed);
            }
            // It has stayed closed for a whole ramp, or has none, or an operator reset it.
            Phase::Closed => self.opens.store(0, Ordering::Relaxed),
            _ => {}
        }
        if before == CircuitState::HalfOpen && after == CircuitState::Closed {
            // The destination answers: what it asked for before does not count any more.
            self.hint.store(0, Ordering::Relaxed);
        }
        (before != after).then_some(Change { to: after, reason })
    }
}

impl Phase {
    /// The state that users see.
    pub(super) const fn state(self) -> CircuitState {
        match self {
            Self::Closed | Self::Ramping { .. } => CircuitState::Closed,
            Self::Disabled => CircuitState::Disabled,
            Self::ForcedOpen => CircuitState::ForcedOpen,
            Self::HalfOpen { .. } => CircuitState::HalfOpen,
            Self::Open { .. } => CircuitState::Open,
        }
    }
}
