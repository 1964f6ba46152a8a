//! A bucket some of whose cells wait for a response: two numbers instead of one. Pure.
//!
//! The first number is the state of [`super::State`]: when the charged cells are replenished. The
//! second is the price of the cells that are *held*: taken, but not yet charged.
//!
//! - A request fits if the charged debt, the held cells and its own cells fit into the burst.
//! - Held cells do not replenish. Keeping a request open gains nothing.
//! - When a hold is settled, its charged cells join the debt from then on; the others only leave
//!   the held number.
//! - A hold that is not settled for one to two [`HOLD_TIMEOUT`]s becomes charged, so a holder that
//!   vanishes leaks nothing.
//! - A bucket that was reset or forgotten has a new generation. A hold of an older generation is
//!   charged in full when it settles and never given back.
//!
//! The held number is a price in nanoseconds, as a debt is, so a new quota changes neither what a
//! hold took nor what settling it gives back.

use std::time::Duration;

use hardpoint_core::Mono;

use super::{State, after, charge, force, price, refund};
use crate::Quota;

/// After this time a hold that was not settled is about to become charged, and after twice this
/// time it is.
pub const HOLD_TIMEOUT: Duration = Duration::from_secs(EPOCH / 1_000_000_000);

const EPOCH: u64 = 60_000_000_000;

/// The state of a bucket whose cells may be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    charged: State,
    /// Prices of the holds of the epoch before `epoch`, and of `epoch`.
    held: [u64; 2],
    epoch: u32,
    generation: u32,
}

/// Cells that are held, and what [`Holding::settle`] needs to know of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    since: Since,
    price: u64,
}

/// The time-out's epoch and the generation of the bucket in which a hold began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    epoch: u32,
    generation: u32,
}

impl Since {
    pub(crate) const NEVER: Self = Self { epoch: 0, generation: 0 };
}

impl Hold {
    pub(crate) const fn new(since: Since, price: u64) -> Self {
        Self { since, price }
    }

    pub(crate) const fn since(self) -> Since {
        self.since
    }
}

impl Holding {
    /// A bucket that was never used. The caller gives each generation of a key another number.
    #[must_use]
    pub fn new(generation: u32) -> Self {
        Self { generation, ..Self::default() }
    }

    /// The debt in nanoseconds, held cells included: at most an empty bucket's.
    #[must_use]
    pub fn debt(&self, quota: Quota, now: Mono) -> u64 {
        let mut aged = *self;
        aged.age(now);
        aged.whole_debt(quota, aged.charged.debt(quota, now))
    }

    /// Takes `cost` cells for good, if they fit. Returns the debt before and whether they did.
    pub fn take(&mut self, quota: Quota, now: Mono, cost: u32) -> (u64, bool) {
        let (charged, debt) = self.aged(quota, now);
        let fits = charge(quota, debt, cost).is_some();
        if fits {
            self.charged = after(now, charged.saturating_add(price(quota, cost)));
        }
        (debt, fits)
    }

    /// Holds `cost` cells until they are settled, if they fit. Returns the debt before and, if they
    /// did, the hold.
    pub fn hold(&mut self, quota: Quota, now: Mono, cost: u32) -> (u64, Option<Hold>) {
        let (_, debt) = self.aged(quota, now);
        if charge(quota, debt, cost).is_none() {
            return (debt, None);
        }
        let price = price(quota, cost);
        self.held[1] = self.held[1].saturating_add(price);
        let since = Since { epoch: self.epoch, generation: self.generation };
        (debt, Some(Hold { since, price }))
    }

    /// Ends a hold. `due` is what of it is charged, as a price in nanoseconds; if that is more than
    /// the hold's, the rest is taken whether or not it fits.
    pub fn settle(&mut self, quota: Quota, now: Mono, hold: Hold, due: u64) {
        let (charged, _) = self.aged(quota, now);
        let due = if hold.since.generation != self.generation {
            due.max(hold.price)
        } else if self.release(hold) {
            due
        } else {
            // The time-out has charged the hold already.
            due.saturating_sub(hold.price)
        };
        self.charged = after(now, charged.saturating_add(due).min(quota.tolerance()));
    }

    /// Takes `cost` cells whether or not they fit. The charged debt is at most an empty bucket's.
    pub fn force(&mut self, quota: Quota, now: Mono, cost: u32) -> u64 {
        let (charged, debt) = self.aged(quota, now);
        self.charged = after(now, force(quota, charged, cost));
        debt
    }

    /// Gives `cost` charged cells back.
    pub fn refund(&mut self, quota: Quota, now: Mono, cost: u32) -> u64 {
        let (charged, debt) = self.aged(quota, now);
        self.charged = after(now, refund(quota, charged, cost));
        debt
    }

    /// Takes over what a store knows of the bucket, held cells included. What is held here stays
    /// held.
    pub(crate) fn learn(&mut self, now: Mono, debt: u64) {
        self.age(now);
        self.charged = after(now, debt);
    }

    /// Cuts a charged debt that is longer than a whole bucket of `quota`.
    pub fn cut(&mut self, quota: Quota, now: Mono) {
        let (charged, _) = self.aged(quota, now);
        self.charged = after(now, charged);
    }

    /// Whether forgetting the bucket would lose nothing.
    pub(crate) fn is_full(&self, now: Mono) -> bool {
        let (charged, held) = self.owed(now);
        charged == 0 && held == 0
    }

    /// What is owed and held, without the bound of a quota: for ranking buckets.
    pub(crate) fn owed(&self, now: Mono) -> (u64, u64) {
        let mut aged = *self;
        aged.age(now);
        (aged.charged.as_nanos().saturating_sub(now.as_nanos()), aged.held())
    }

    /// The charged debt and the whole debt now.
    fn aged(&mut self, quota: Quota, now: Mono) -> (u64, u64) {
        self.age(now);
        let charged = self.charged.debt(quota, now);
        (charged, self.whole_debt(quota, charged))
    }

    /// At most an empty bucket: a shorter quota may leave more held than it ever admits.
    fn whole_debt(&self, quota: Quota, charged: u64) -> u64 {
        charged.saturating_add(self.held()).min(quota.tolerance())
    }

    fn held(&self) -> u64 {
        let [earlier, current] = self.held;
        earlier.saturating_add(current)
    }

    /// Charges the holds that have timed out, each from its time-out on. The quota of today does not
    /// bound the debt of that time: it may have been replaced since.
    fn age(&mut self, now: Mono) {
        let epoch = u32::try_from(now.as_nanos() / EPOCH).unwrap_or(u32::MAX);
        let Some(passed @ 1..) = epoch.checked_sub(self.epoch) else { return };
        let [earlier, current] = self.held;
        self.time_out(earlier, self.epoch.saturating_add(1));
        if passed == 1 {
            self.held = [current, 0];
        } else {
            self.time_out(current, self.epoch.saturating_add(2));
            self.held = [0, 0];
        }
        self.epoch = epoch;
    }

    fn time_out(&mut self, held: u64, epoch: u32) {
        if held > 0 {
            let at = u64::from(epoch).saturating_mul(EPOCH);
            let debt = self.charged.as_nanos().saturating_sub(at).saturating_add(held);
            self.charged = after(Mono::from_nanos(at), debt);
        }
    }

    /// Takes the price of a hold off the held number. `false` if the hold has timed out.
    fn release(&mut self, Hold { since: Since { epoch, .. }, price }: Hold) -> bool {
        let [earlier, current] = &mut self.held;
        let held = if epoch == self.epoch {
            current
        } else if epoch.checked_add(1) == Some(self.epoch) {
            earlier
        } else {
            return false;
        };
        *held = held.saturating_sub(price);
        true
    }
}

#[cfg(test)]
mod tests;
