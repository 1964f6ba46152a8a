//! Cells that are consumed until it is known whether they are charged: what giving them back is worth.
//! Pure.
//!
//! It is not their price, since time may have replenished them meanwhile, and nobody gets a cell twice.
//! Had they never been consumed, each take since would have found a debt that is less by them, but none
//! below zero. So they are worth the least of their price, of the debts that later takes have found, and
//! of the debt now. And once they are given back, those later takes would have found less: that counts
//! for what others are worth who took before them.
//!
//! [`Held`] has the holds of all keys of a table, no more of them than requests are on their way. Until
//! anything was ever held, nobody looks there.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Locks: more of them than threads that take of held keys at the same time.
const SHARDS: usize = 64;

/// What the keys of a table hold.
pub(super) struct Held {
    is_used: AtomicBool,
    shards: Box<[Mutex<Shard>]>,
}

/// The holds of keys, by their digests.
pub(super) type Shard = HashMap<u64, Holds>;

impl Held {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { is_used: AtomicBool::new(false), shards }
    }

    /// Whether anything was ever held.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::SeqCst)
    }

    /// From now on everybody looks.
    pub(super) fn use_it(&self) {
        if !self.is_used() {
            self.is_used.store(true, Ordering::SeqCst);
        }
    }

    /// The holds of this key and of others. Who has them decides about the key alone.
    pub(super) fn lock(&self, digest: u64) -> MutexGuard<'_, Shard> {
        let index = usize::try_from((digest >> 6) % SHARDS as u64).unwrap_or_default();
        // Holds are whole after each step, so that those of a thread that panicked are too.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key holds, in the order in which it was taken.
#[derive(Debug, Default)]
pub(super) struct Holds {
    holds: Vec<Hold>,
}

#[derive(Debug)]
struct Hold {
    id: u64,
    /// The least debt that a take has found between this hold and the next.
    least: u64,
}

impl Holds {
    /// Cells were taken at this debt.
    pub(super) fn found(&mut self, debt: u64) {
        if let Some(last) = self.holds.last_mut() {
            last.least = last.least.min(debt);
        }
    }

    /// The cells that were taken last are held under this id.
    pub(super) fn add(&mut self, id: u64) {
        self.holds.push(Hold { id, least: u64::MAX });
    }

    /// Ends a hold of which cells of this price are given back, at this debt: what that is worth. Nothing,
    /// if there is no such hold.
    pub(super) fn end(&mut self, id: u64, price: u64, debt: u64) -> u64 {
        let Some(place) = self.holds.iter().position(|hold| hold.id == id) else { return 0 };
        let (before, since) = self.holds.split_at_mut(place);
        let least = since.iter().map(|hold| hold.least).min().unwrap_or(u64::MAX);
        let worth = price.min(least).min(debt);
        for hold in since.iter_mut().filter(|hold| hold.least != u64::MAX) {
            hold.least = hold.least.saturating_sub(worth);
        }
        // What takes have found since the hold before is what they found in both spans.
        if let (Some(last), Some(ended)) = (before.last_mut(), since.first()) {
            last.least = last.least.min(ended.least);
        }
        self.holds.remove(place);
        worth
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is known of a take when all is over.
    #[derive(Clone, Copy)]
    struct Take {
        at: u64,
        price: u64,
        charged: Option<u64>,
    }

    /// The debt at a time if only what is charged, or not known yet, had ever been taken.
    fn debt_without(takes: &[Take], now: u64) -> u64 {
        let full_at = takes.iter().fold(0_u64, |full_at, take| {
            let price = take.charged.unwrap_or(take.price);
            if price == 0 { full_at } else { full_at.max(take.at) + price }
        });
        full_at.saturating_sub(now)
    }

    proptest! {
        /// After each hold that ends the debt is what it would be without what was given back.
        #[test]
        fn what_is_given_back_leaves_what_would_be_without_it(
            steps in proptest::collection::vec((0_u64..30, 1_u64..4, any::<bool>(), 0_usize..6), 1..60),
        ) {
            let (mut now, mut full_at) = (1_u64, 0_u64);
            let (mut holds, mut takes, mut open) = (Holds::default(), Vec::new(), Vec::new());
            for (pause, cells, is_hold, end) in steps {
                now += pause;
                let debt = full_at.saturating_sub(now);
                // Some end before others take.
                if let Some(&id) = open.get(end) {
                    open.remove(end);
                    let take: &mut Take = &mut takes[id];
                    // All is given back, or a part.
                    let back = if end % 2 == 0 { take.price } else { take.price / 2 };
                    take.charged = Some(take.price - back);
                    let worth = holds.end(id as u64, back, debt);
                    full_at = now + debt - worth;
                    prop_assert_eq!(full_at - now, debt_without(&takes, now));
                }
                let debt = full_at.saturating_sub(now);
                let price = cells * 10;
                holds.found(debt);
                full_at = now + debt + price;
                if is_hold {
                    open.push(takes.len());
                    holds.add(takes.len() as u64);
                }
                takes.push(Take { at: now, price, charged: (!is_hold).then_some(price) });
                prop_assert_eq!(full_at - now, debt_without(&takes, now));
            }
        }
    }

    #[test]
    fn a_hold_that_nobody_knows_is_worth_nothing() {
        let mut holds = Holds::default();
        holds.add(1);
        assert_eq!(holds.end(2, 10, 100), 0);
        assert_eq!(holds.end(1, 10, 100), 10);
        assert_eq!(holds.end(1, 10, 100), 0);
        assert!(holds.is_empty());
    }
}
