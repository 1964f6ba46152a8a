//! The settings of a circuit, validated.

use std::time::Duration;

use super::window::Sum;

/// What a rate is a share of.
const MILLION: u64 = 1_000_000;

/// The settings that decisions depend on. Rates are in millionths: a comparison of whole numbers has
/// no rounding.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) consecutive: Option<u32>,
    pub(super) failure_rate: Option<u64>,
    pub(super) slow_rate: Option<u64>,
    pub(super) slow_after: Duration,
    pub(super) slow_nanos: u64,
    pub(super) min_calls: u32,
    pub(super) trial_calls: u8,
    pub(super) trial_successes: u8,
    pub(super) open_for: Duration,
    pub(super) open_at_most: Duration,
    pub(super) retry_after_at_most: Duration,
    pub(super) ramp_millis: u64,
    /// The number of calls that each step of a ramp passes regardless of its share.
    pub(super) ramp_floor: u16,
}

/// Why a circuit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    ConsecutiveFailures,
    FailureRate,
    HangingTrials,
    Operator,
    SlowRate,
    Trials,
    Waited,
}

impl Reason {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::HangingTrials => "hanging_trials",
            Self::Operator => "operator",
            Self::SlowRate => "slow_rate",
            Self::Trials => "trials",
            Self::Waited => "waited",
        }
    }
}

impl Rules {
    /// A share in millionths.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the builder accepts shares above 0 and up to 1"
    )]
    pub(super) fn millionths(share: f64) -> u64 {
        ((share * 1e6).round() as u64).max(1)
    }

    /// Why a closed circuit with these counts opens, if it does. Asked after each failed or slow
    /// call.
    pub(super) fn trip(&self, streak: u32, sum: impl FnOnce() -> Sum) -> Option<Reason> {
        if self.consecutive.is_some_and(|limit| streak >= limit) {
            return Some(Reason::ConsecutiveFailures);
        }
        if self.failure_rate.is_none() && self.slow_rate.is_none() {
            return None;
        }
        let sum = sum();
        if sum.calls < u64::from(self.min_calls) {
            return None;
        }
        let exceeds = |part: u64, rate: Option<u64>| {
            rate.is_some_and(|rate| {
                u128::from(part) * u128::from(MILLION) >= u128::from(rate) * u128::from(sum.calls)
            })
        };
        if exceeds(sum.failed, self.failure_rate) {
            return Some(Reason::FailureRate);
        }
        exceeds(sum.slow, self.slow_rate).then_some(Reason::SlowRate)
    }

    /// How long the circuit stays open after it opened `before` times without staying closed, when
    /// the destination asked to be left alone for `hint`. `draw` returns a uniform number below its
    /// argument.
    pub(super) fn open_for(
        &self,
        before: u32,
        hint: Option<Duration>,
        draw: impl Fn(u64) -> u64,
    ) -> Duration {
        let doubled = self.open_for.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX));
        let whole = doubled.min(self.open_at_most);
        // The jitter is below the wait, so the cap holds; and above a hint, which is a lower bound.
        let wait = whole - fifth(whole, &draw);
        let hint = hint.map(|hint| hint.min(self.retry_after_at_most));
        hint.map_or(wait, |hint| wait.max(hint + fifth(hint, &draw)))
    }
}

/// A uniform duration up to a fifth of the whole.
fn fifth(whole: Duration, draw: &impl Fn(u64) -> u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos() / 5).unwrap_or(u64::MAX);
    Duration::from_nanos(draw(nanos.saturating_add(1)))
}
