//! The states of a circuit and the transitions between them: pure functions over one 64-bit word.
//!
//! A state, all of its counters and its generation share the word, so every transition is one
//! compare-and-swap. Every change between closed, half-open and open starts a new generation. A call
//! keeps the generation that it started in, and its outcome counts only while that is current: the
//! late result of a call from before the circuit opened decides nothing about a trial.
//!
//! ```text
//!   20 bits       41 bits                                            3 bits
//!   generation    since 28 · step 4 · admitted 9                     ramping
//!                 since 17 · admitted 8 · succeeded 8 · failed 8     half-open
//!                 until 41                                           open
//! ```
//!
//! Times wrap: `since` of a ramp after 74 hours in milliseconds, `since` of a half-open circuit after
//! 36 hours in seconds, `until` after 69 years in milliseconds. A circuit that was not called for so
//! long repeats a part of its ramp, or waits for its trial calls a second time.
//!
//! Threads read the clock before they read the word, so a reading may be older than the `since` that
//! another thread has written meanwhile. Up to a minute before it counts as no time since then.

use std::time::Duration;

use hardpoint_core::Mono;

use super::rules::Rules;

const PHASE_BITS: u32 = 3;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;
const PAYLOAD_BITS: u32 = 41;
const PAYLOAD_MASK: u64 = (1 << PAYLOAD_BITS) - 1;
const GENERATION_SHIFT: u32 = PHASE_BITS + PAYLOAD_BITS;
const GENERATION_MASK: u32 = (1 << 20) - 1;

const CLOSED: u64 = 0;
const RAMPING: u64 = 1;
const HALF_OPEN: u64 = 2;
const OPEN: u64 = 3;
const FORCED_OPEN: u64 = 4;
const DISABLED: u64 = 5;

const RAMP_SINCE_MASK: u64 = (1 << 28) - 1;
const TRIAL_SINCE_MASK: u64 = (1 << 17) - 1;
/// The largest number of calls that a step of a ramp counts.
pub(super) const RAMP_FLOOR_MAX: u16 = (1 << 9) - 1;
/// The steps of a ramp: the first admits a tenth of the calls, the last all of them.
pub(super) const RAMP_STEPS: u64 = 10;

/// A circuit's whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) generation: u32,
    pub(super) phase: Phase,
}

/// What a circuit does with calls, and the counters that it needs for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Passes all calls.
    Closed,
    /// Passes all calls and counts none.
    Disabled,
    /// Refuses all calls.
    ForcedOpen,
    /// Passes trial calls.
    HalfOpen {
        /// When the last trial call was admitted, in seconds.
        since: u64,
        /// Trial calls that are in flight or have ended, except ignored ones.
        admitted: u8,
        succeeded: u8,
        failed: u8,
    },
    /// Refuses all calls until a time, in milliseconds.
    Open { until: u64 },
    /// Closed, but passes only a growing share of the calls.
    Ramping {
        /// When the circuit closed, in milliseconds.
        since: u64,
        step: u8,
        /// Calls that were passed in this step, up to the floor.
        admitted: u16,
    },
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The call passes once the word is replaced by this one.
    Enter(Word),
    /// The call passes.
    Pass,
    /// The call is refused.
    Refuse { retry_after: Option<Duration> },
    /// All trial calls hang: the circuit opens again, and the call is refused.
    Reopen,
}

/// How a trial call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Failed,
    Ignored,
    Succeeded,
}

/// The result of a trial call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The circuit continues with this word.
    Continue(Word),
    /// Too few trial calls can still succeed: the circuit opens again.
    Reopen,
}

impl Word {
    pub(super) const INITIAL: Self = Self { generation: 0, phase: Phase::Closed };

    /// Whether the word with these bits is closed and not ramping: the common case, which needs no
    /// decoding.
    #[inline]
    pub(super) const fn is_closed(bits: u64) -> bool {
        bits & PHASE_MASK == CLOSED
    }

    /// Whether outcomes are counted in the window.
    #[inline]
    pub(super) const fn counts(bits: u64) -> bool {
        bits & PHASE_MASK <= RAMPING
    }

    #[inline]
    pub(super) const fn generation_in(bits: u64) -> u32 {
        (bits >> GENERATION_SHIFT) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "each field is cut to its bits")]
    pub(super) const fn decode(bits: u64) -> Self {
        let payload = bits >> PHASE_BITS & PAYLOAD_MASK;
        let phase = match bits & PHASE_MASK {
            RAMPING => Phase::Ramping {
                since: payload >> 13,
                step: (payload >> 9) as u8 & 0xF,
                admitted: payload as u16 & RAMP_FLOOR_MAX,
            },
            HALF_OPEN => Phase::HalfOpen {
                since: payload >> 24,
                admitted: (payload >> 16) as u8,
                succeeded: (payload >> 8) as u8,
                failed: payload as u8,
            },
            OPEN => Phase::Open { until: payload },
            FORCED_OPEN => Phase::ForcedOpen,
            DISABLED => Phase::Disabled,
            _ => Phase::Closed,
        };
        Self { generation: Self::generation_in(bits), phase }
    }

    pub(super) const fn encode(self) -> u64 {
        let (phase, payload) = match self.phase {
            Phase::Closed => (CLOSED, 0),
            Phase::Disabled => (DISABLED, 0),
            Phase::ForcedOpen => (FORCED_OPEN, 0),
            Phase::HalfOpen { since, admitted, succeeded, failed } => {
                let counts = (admitted as u64) << 16 | (succeeded as u64) << 8 | failed as u64;
                (HALF_OPEN, (since & TRIAL_SINCE_MASK) << 24 | counts)
            }
            Phase::Open { until } => (OPEN, until & PAYLOAD_MASK),
            Phase::Ramping { since, step, admitted } => {
                let counts = (step as u64 & 0xF) << 9 | (admitted & RAMP_FLOOR_MAX) as u64;
                (RAMPING, (since & RAMP_SINCE_MASK) << 13 | counts)
            }
        };
        (self.generation as u64) << GENERATION_SHIFT | payload << PHASE_BITS | phase
    }

    /// The word of the next generation.
    pub(super) const fn next(self, phase: Phase) -> Self {
        Self { generation: (self.generation + 1) & GENERATION_MASK, phase }
    }

    const fn stay(self, phase: Phase) -> Self {
        Self { generation: self.generation, phase }
    }
}

/// Decides about a call. `draw` returns a uniform number below its argument.
pub(super) fn admit(
    word: Word,
    rules: &Rules,
    now: Mono,
    draw: impl FnOnce(u64) -> u64,
) -> Admission {
    match word.phase {
        Phase::Closed | Phase::Disabled => Admission::Pass,
        Phase::ForcedOpen => Admission::Refuse { retry_after: None },
        Phase::Open { until } => match until.checked_sub(millis(now)) {
            Some(left @ 1..) => {
                Admission::Refuse { retry_after: Some(Duration::from_millis(left)) }
            }
            _ => Admission::Enter(word.next(Phase::HalfOpen {
                since: seconds(now),
                admitted: 1,
                succeeded: 0,
                failed: 0,
            })),
        },
        Phase::HalfOpen { since, admitted, succeeded, failed } => {
            if admitted < rules.trial_calls {
                let (since, admitted) = (seconds(now), admitted + 1);
                let phase = Phase::HalfOpen { since, admitted, succeeded, failed };
                return Admission::Enter(word.stay(phase));
            }
            let waited = elapsed(seconds(now), since, TRIAL_SINCE_MASK, 60);
            // Both readings are cut to seconds: a difference of one may be an instant.
            let slow = rules.slow_after;
            if waited > slow.as_secs() + u64::from(slow.subsec_nanos() > 0) {
                return Admission::Reopen;
            }
            Admission::Refuse { retry_after: Some(rules.slow_after) }
        }
        Phase::Ramping { since, step, admitted } => {
            let elapsed = elapsed(millis(now), since, RAMP_SINCE_MASK, 60_000);
            let current = match elapsed.saturating_mul(RAMP_STEPS).checked_div(rules.ramp_millis) {
                Some(step) if step < RAMP_STEPS => step,
                _ => return Admission::Enter(word.stay(Phase::Closed)),
            };
            let is_new = current != u64::from(step);
            let admitted = if is_new { 0 } else { admitted };
            if admitted < rules.ramp_floor {
                let step = u8::try_from(current).unwrap_or_default();
                let phase = Phase::Ramping { since, step, admitted: admitted + 1 };
                return Admission::Enter(word.stay(phase));
            }
            if draw(RAMP_STEPS) <= current {
                return Admission::Pass;
            }
            let left = rules.ramp_millis.saturating_sub(elapsed).div_ceil(RAMP_STEPS).max(1);
            Admission::Refuse { retry_after: Some(Duration::from_millis(left)) }
        }
    }
}

/// Ends a trial call. `None` if the circuit is not half-open.
pub(super) fn settle(word: Word, rules: &Rules, now: Mono, trial: Trial) -> Option<Settled> {
    let Phase::HalfOpen { since, admitted, succeeded, failed } = word.phase else { return None };
    let phase = match trial {
        Trial::Succeeded if succeeded + 1 >= rules.trial_successes => {
            return Some(Settled::Continue(word.next(closed(rules, now))));
        }
        Trial::Succeeded => Phase::HalfOpen { since, admitted, succeeded: succeeded + 1, failed },
        Trial::Failed if failed >= rules.trial_calls - rules.trial_successes => {
            return Some(Settled::Reopen);
        }
        Trial::Failed => Phase::HalfOpen { since, admitted, succeeded, failed: failed + 1 },
        // Another call may take its place.
        Trial::Ignored => {
            Phase::HalfOpen { since, admitted: admitted.saturating_sub(1), succeeded, failed }
        }
    };
    Some(Settled::Continue(word.stay(phase)))
}

/// The phase of a circuit that closes at `now`.
fn closed(rules: &Rules, now: Mono) -> Phase {
    if rules.ramp_millis == 0 {
        return Phase::Closed;
    }
    Phase::Ramping { since: millis(now) & RAMP_SINCE_MASK, step: 0, admitted: 0 }
}

/// The phase of a circuit that opens at `now` for `wait`, rounded up to a millisecond.
pub(super) fn open(now: Mono, wait: Duration) -> Phase {
    Phase::Open { until: now.saturating_add(wait).as_nanos().div_ceil(1_000_000) & PAYLOAD_MASK }
}

pub(super) const fn millis(now: Mono) -> u64 {
    now.as_nanos() / 1_000_000
}

const fn seconds(now: Mono) -> u64 {
    (now.as_nanos() / 1_000_000_000) & TRIAL_SINCE_MASK
}

/// The time since `then`, of which only the bits of `mask` are known; 0 if `now` is up to `minute`
/// before it. The allowance is small because a longer time that wraps into it counts as none too.
const fn elapsed(now: u64, then: u64, mask: u64, minute: u64) -> u64 {
    let elapsed = now.wrapping_sub(then) & mask;
    if elapsed > mask - minute { 0 } else { elapsed }
}
