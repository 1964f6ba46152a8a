//! How many retries a destination may cost.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::Mono;

use crate::{Class, error::Mistakes, keyed::Policy};

/// Units of one retry: a ratio is exact to a millionth, where a ratio in whole numbers would turn
/// 0.6 into 1.
const SCALE: u64 = 1_000_000;

/// Bounds the retries to one destination by the number of calls to it. Clones share the budget.
///
/// When a destination fails, every call fails, and retries without a budget multiply the load that
/// it fails under. A budget of 0.1 adds at most a tenth: each call deposits a tenth of a retry, and
/// each retry withdraws one.
///
/// ```
/// use hardpoint_core::Mono;
/// use hardpoint_resilience::{Class, RetryBudget};
///
/// let budget = RetryBudget::ratio(0.5).reserve_per_second(0);
/// budget.deposit();
/// budget.deposit();
/// let withdrawal = budget.withdraw(Class::Failed, Mono::ZERO).expect("two calls earn one retry");
/// assert!(budget.withdraw(Class::Failed, Mono::ZERO).is_none());
/// drop(withdrawal); // the retry was not sent
/// assert!(budget.withdraw(Class::Failed, Mono::ZERO).is_some());
/// ```
///
/// # Semantics
/// 1. Each call deposits `ratio` retries, up to `burst`. Retries deposit nothing.
/// 2. A retry withdraws before it waits. If the store has less than one retry, the reserve gives one,
///    at most `reserve_per_second` a second.
/// 3. A withdrawal that is dropped before its retry is sent returns to where it came from.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | ratio | 0.1 |
/// | [`reserve_per_second`](Self::reserve_per_second) | 3 |
/// | [`burst`](Self::burst) | 100 retries |
#[derive(Clone)]
#[must_use]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    /// The stored part, in units.
    stored: AtomicU64,
    /// When the reserve will be full, in nanoseconds: the state of GCRA.
    reserve_full_at: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Settings {
    /// As configured. Not used after the deposit is computed.
    ratio: f64,
    deposit: u64,
    burst: u64,
    start: u64,
    cost: u64,
    cost_throttled: u64,
    reserve_per_second: u32,
    rule: Rule,
}

/// When a budget receives deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// For each call, before it is known how it ends.
    Calls,
    /// For each call that succeeds; a retry that succeeds returns its own cost.
    Successes,
    /// The budget is never empty.
    Unlimited,
}

impl RetryBudget {
    /// The ratio of [`default`](Self::default).
    pub const DEFAULT_RATIO: f64 = 0.1;

    /// Allows `ratio` retries for each call: 0.1 adds at most a tenth to the load.
    ///
    /// A higher ratio hides more failures and multiplies the load on a destination that fails: 1
    /// doubles it. With 0, only the reserve allows retries.
    pub fn ratio(ratio: f64) -> Self {
        Self::from_settings(Settings {
            ratio,
            deposit: units(ratio),
            burst: 100 * SCALE,
            start: 0,
            cost: SCALE,
            cost_throttled: SCALE,
            reserve_per_second: 3,
            rule: Rule::Calls,
        })
    }

    /// The retry quota of the AWS SDKs, as of 2026: 500 tokens at the start and at most. A retry
    /// costs 14 tokens, or 5 after [`Class::Throttled`], and returns them if it succeeds. A call
    /// that succeeds at once adds 1.
    pub fn aws() -> Self {
        Self::from_settings(Settings {
            ratio: 1.0,
            deposit: SCALE,
            burst: 500 * SCALE,
            start: 500 * SCALE,
            cost: 14 * SCALE,
            cost_throttled: 5 * SCALE,
            reserve_per_second: 0,
            rule: Rule::Successes,
        })
    }

    /// Never denies a retry. Three attempts triple the load on a destination that fails, and can
    /// keep it down after the cause is gone: only for callers that cannot be many.
    pub fn unlimited() -> Self {
        let settings = Self::default().shared.settings;
        Self::from_settings(Settings { rule: Rule::Unlimited, ..settings })
    }

    /// Sets the number of retries a second that are allowed regardless of the ratio. Default: 3, so
    /// that a client with few calls can retry. Each process adds up to this many calls a second to
    /// a destination that is down. With 0, every retry must be earned by calls.
    ///
    /// Makes a new budget: call it before the budget is shared.
    pub fn reserve_per_second(self, retries: u32) -> Self {
        Self::from_settings(Settings { reserve_per_second: retries, ..self.shared.settings })
    }

    /// Sets the number of retries that calls can earn in advance. Default: 100. After a quiet
    /// period, this many retries can come at once. With 0, only the reserve allows retries.
    ///
    /// Makes a new budget: call it before the budget is shared.
    pub fn burst(self, retries: u32) -> Self {
        Self::from_settings(Settings { burst: u64::from(retries) * SCALE, ..self.shared.settings })
    }

    fn from_settings(settings: Settings) -> Self {
        let stored = AtomicU64::new(settings.start.min(settings.burst));
        Self { shared: Arc::new(Shared { settings, stored, reserve_full_at: AtomicU64::new(0) }) }
    }

    /// Records a call. Do not call it for retries.
    pub fn deposit(&self) {
        if self.shared.settings.rule == Rule::Calls {
            self.shared.add(self.shared.settings.deposit);
        }
    }

    /// Whether [`deposit`](Self::deposit) fills the budget, if it needs to be filled.
    pub(crate) fn earns_by_calls(&self) -> bool {
        self.shared.settings.rule != Rule::Successes
    }

    /// Takes one retry out of the budget, or returns `None` if the budget does not allow it. `class`
    /// is that of the failed call.
    #[must_use = "dropping the withdrawal returns it"]
    pub fn withdraw(&self, class: Class, now: Mono) -> Option<Withdrawal> {
        let shared = &*self.shared;
        let cost = shared.settings.cost_of(class);
        let source = if shared.settings.rule == Rule::Unlimited {
            Source::Unlimited
        } else if shared.take(cost) {
            Source::Stored(cost)
        } else {
            Source::Reserve(shared.take_reserve(now)?)
        };
        Some(Withdrawal { budget: self.clone(), source, sent: false })
    }

    /// Withdraws one retry that calls have earned, and leaves the reserve to retries of failures:
    /// the load that it pays for never exceeds the ratio.
    pub(crate) fn withdraw_earned(&self) -> Option<Withdrawal> {
        let Shared { settings, .. } = &*self.shared;
        let source = if settings.rule == Rule::Unlimited {
            Source::Unlimited
        } else {
            self.shared.take(settings.cost).then_some(Source::Stored(settings.cost))?
        };
        Some(Withdrawal { budget: self.clone(), source, sent: false })
    }

    /// Whether calls have earned a retry, without the reserve.
    pub(crate) fn has_earned(&self) -> bool {
        let Shared { settings, stored, .. } = &*self.shared;
        settings.rule == Rule::Unlimited || stored.load(Ordering::Relaxed) >= settings.cost
    }

    /// Whether no withdrawal is possible at `now`.
    #[must_use]
    pub fn is_empty(&self, now: Mono) -> bool {
        let Shared { settings, stored, .. } = &*self.shared;
        let cheapest = settings.cost.min(settings.cost_throttled);
        settings.rule != Rule::Unlimited
            && stored.load(Ordering::Relaxed) < cheapest
            && self.shared.next_reserve(now).is_none()
    }

    /// A budget with the same settings and the state of the start.
    pub(crate) fn fresh(&self) -> Self {
        Self::from_settings(self.shared.settings)
    }

    /// Whether a call that begins at `now` should be prepared for a retry. A budget that earns by
    /// successes must see each call end.
    pub(crate) fn may_allow(&self, now: impl FnOnce() -> Mono) -> bool {
        self.shared.settings.rule == Rule::Successes || self.has_earned() || !self.is_empty(now())
    }

    /// The number of stored retries, without the reserve.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.shared.stored.load(Ordering::Relaxed) / self.shared.settings.cost
    }

    /// Records that a call succeeded, at its first attempt or by the retry that `withdrawal` paid.
    pub(crate) fn succeeded(&self, withdrawal: Option<Withdrawal>) {
        if self.shared.settings.rule == Rule::Successes {
            match withdrawal {
                Some(withdrawal) => withdrawal.refund(),
                None => self.shared.add(self.shared.settings.deposit),
            }
        }
    }

    /// Finds values that can never work.
    pub(crate) fn check(&self, setting: &'static str, mistakes: &mut Mistakes) {
        let ratio = self.shared.settings.ratio;
        mistakes.expect((0.0..=10.0).contains(&ratio), setting, || {
            format!("has a ratio of {ratio}; write a number from 0 to 10, such as 0.1")
        });
    }
}

impl Default for RetryBudget {
    /// A tenth of the calls, and three retries a second.
    fn default() -> Self {
        Self::ratio(Self::DEFAULT_RATIO)
    }
}

/// The budget of one key. What calls earned in advance may be lost; what the reserve paid may not,
/// or a new budget would pay it again.
impl Policy for RetryBudget {
    fn is_idle(&self, now: Mono) -> bool {
        self.shared.reserve_full_at.load(Ordering::Relaxed) <= now.as_nanos()
    }
}

impl Settings {
    fn cost_of(&self, class: Class) -> u64 {
        if class == Class::Throttled { self.cost_throttled } else { self.cost }
    }

    fn reserve_interval(&self) -> u64 {
        u64::from(NANOS_PER_SECOND) / u64::from(self.reserve_per_second.max(1))
    }
}

impl Shared {
    fn add(&self, units: u64) {
        let full = self.settings.burst;
        // The usual state of a budget is full: this load is all that a call then costs.
        let mut stored = self.stored.load(Ordering::Relaxed);
        while stored < full {
            let more = stored.saturating_add(units).min(full);
            match self.exchange(&self.stored, stored, more) {
                Ok(_) => return,
                Err(changed) => stored = changed,
            }
        }
    }

    fn take(&self, units: u64) -> bool {
        let mut stored = self.stored.load(Ordering::Relaxed);
        while let Some(rest) = stored.checked_sub(units) {
            match self.exchange(&self.stored, stored, rest) {
                Ok(_) => return true,
                Err(changed) => stored = changed,
            }
        }
        false
    }

    fn take_reserve(&self, now: Mono) -> Option<u64> {
        loop {
            let (before, after) = self.next_reserve(now)?;
            if self.exchange(&self.reserve_full_at, before, after).is_ok() {
                return Some(self.settings.reserve_interval());
            }
        }
    }

    /// The reserve's state now and after one more retry, if it allows one: one second's worth of
    /// retries may come at once.
    fn next_reserve(&self, now: Mono) -> Option<(u64, u64)> {
        let now = now.as_nanos();
        let before = self.reserve_full_at.load(Ordering::Relaxed);
        let after = before.max(now).saturating_add(self.settings.reserve_interval());
        let room = after <= now.saturating_add(u64::from(NANOS_PER_SECOND));
        (room && self.settings.reserve_per_second > 0).then_some((before, after))
    }

    /// Relaxed: each number is all of its state, and nothing else is published through it.
    #[expect(clippy::unused_self, reason = "keeps the reason for the ordering in one place")]
    fn exchange(&self, number: &AtomicU64, from: u64, to: u64) -> Result<u64, u64> {
        number.compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed)
    }
}

/// One retry, taken out of a [`RetryBudget`]. Dropping it before [`sent`](Self::sent) returns it.
#[derive(Debug)]
#[must_use = "dropping the withdrawal returns it"]
pub struct Withdrawal {
    budget: RetryBudget,
    source: Source,
    sent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// This many units of the store.
    Stored(u64),
    /// This many nanoseconds of the reserve.
    Reserve(u64),
    Unlimited,
}

impl Withdrawal {
    /// Records that the retry was sent: dropping the withdrawal no longer returns it.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Returns the retry although it was sent, because it did not reach the destination.
    pub fn refund(mut self) {
        self.unsend();
    }

    /// Like [`refund`](Self::refund), but takes effect when the withdrawal is dropped.
    pub(crate) fn unsend(&mut self) {
        self.sent = false;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if self.sent {
            return;
        }
        let shared = &*self.budget.shared;
        match self.source {
            Source::Stored(units) => shared.add(units),
            // Before the reserve's next use: an earlier instant only makes it fuller.
            Source::Reserve(nanos) => {
                shared.reserve_full_at.fetch_sub(nanos, Ordering::Relaxed);
            }
            Source::Unlimited => {}
        }
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("ratio", &self.shared.settings.ratio)
            .field("stored", &self.stored())
            .finish_non_exhaustive()
    }
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// The units of a number of retries. 0 for numbers that `check` rejects.
fn units(retries: f64) -> u64 {
    // Through Duration, whose conversion is checked and exact: a million units are a second of
    // microseconds.
    let units = Duration::try_from_secs_f64(retries).map_or(0, |retries| retries.as_micros());
    u64::try_from(units).unwrap_or(0)
}

#[cfg(test)]
mod tests;
