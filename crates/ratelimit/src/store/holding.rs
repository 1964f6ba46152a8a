//! A table of buckets whose cells may be held: fixed size, under striped locks.
//!
//! A key's digest picks one of at most 64 stripes and in it two lines of four slots. A decision
//! locks the stripe, so the two numbers of a bucket change together. When both lines are full, the
//! key that holds nothing and owes the smallest share of its burst is forgotten, in whole cells, and of
//! several the one that came last; a key that holds cells goes last.

use std::{
    cmp::Reverse,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use hardpoint_core::Mono;

use super::table::{SIZE_BITS, Shape, owed, size_in, slots_for_peak, tag};
use crate::{Quota, gcra::Holding};

const SLOTS: usize = 4;
const STRIPES: usize = 64;
/// Fewer slots in a stripe would make keys collide long before the table is full.
const STRIPE_SLOTS: usize = 256;
/// The tag of a slot that was never used.
const EMPTY: u64 = 0;

pub(super) struct HoldingTable {
    stripes: Box<[Mutex<Stripe>]>,
    /// The size and the cell of buckets whose digests name none.
    usual_size: AtomicU8,
    usual_cell: AtomicU64,
    evictions: AtomicU64,
}

struct Stripe {
    lines: Box<[[Slot; SLOTS]]>,
    /// Buckets of a stripe never have the same generation, unless four billion requests meet one
    /// that is still held.
    generation: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    tag: u64,
    bucket: Holding,
}

impl HoldingTable {
    /// A table in which `keys` keys may be in debt at the same time.
    pub(super) fn for_peak(keys: usize) -> Self {
        let slots = slots_for_peak(keys);
        let count = (slots / STRIPE_SLOTS).clamp(1, STRIPES);
        let lines = slots.div_ceil(count).div_ceil(SLOTS);
        let stripe =
            || Stripe { lines: vec![[Slot::default(); SLOTS]; lines].into(), generation: 0 };
        Self {
            stripes: (0..count).map(|_| Mutex::new(stripe())).collect(),
            usual_size: AtomicU8::new(0),
            usual_cell: AtomicU64::new(1),
            evictions: AtomicU64::new(0),
        }
    }

    /// Changes the bucket of a key. `change` also gets a generation that no bucket has had.
    pub(super) fn change<R>(
        &self,
        digest: u64,
        quota: Quota,
        now: Mono,
        change: impl FnOnce(&mut Holding, u32) -> R,
    ) -> R {
        let tag = tag(digest);
        let mut stripe = self.stripe(tag);
        stripe.generation = stripe.generation.wrapping_add(1);
        let fresh = stripe.generation;
        let home = stripe.home(tag);
        if let Some(slot) = stripe.find(home, tag) {
            return change(&mut slot.bucket, fresh);
        }
        let mut bucket = Holding::new(fresh);
        let result = change(&mut bucket, fresh);
        if !bucket.is_full(now) {
            if size_in(tag) == 0 {
                self.usual_size.store(quota.size(), Ordering::Relaxed);
                self.usual_cell.store(quota.interval_nanos(), Ordering::Relaxed);
            }
            let usual = Shape {
                size: self.usual_size.load(Ordering::Relaxed),
                cell: self.usual_cell.load(Ordering::Relaxed),
            };
            let slot = stripe.place(home, usual, now);
            let evicted = slot.tag != EMPTY && !slot.bucket.is_full(now);
            self.evictions.fetch_add(u64::from(evicted), Ordering::Relaxed);
            *slot = Slot { tag, bucket };
        }
        result
    }

    /// Cuts every debt of the policy's own quota that is longer than a whole bucket.
    pub(super) fn cut(&self, quota: Quota, now: Mono) {
        for stripe in &self.stripes {
            let mut stripe = lock(stripe);
            for slot in stripe.lines.as_flattened_mut() {
                if slot.tag != EMPTY && size_in(slot.tag) == 0 {
                    slot.bucket.cut(quota, now);
                }
            }
        }
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// The bytes that the slots take.
    pub(super) fn size(&self) -> usize {
        self.stripes.iter().map(|stripe| size_of_val(&*lock(stripe).lines)).sum()
    }

    fn stripe(&self, tag: u64) -> MutexGuard<'_, Stripe> {
        let index = usize::try_from(tag >> SIZE_BITS).unwrap_or(usize::MAX) % self.stripes.len();
        lock(&self.stripes[index])
    }
}

/// A bucket is whole after each change, and no change panics.
fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stripe {
    /// The two lines that a key may be in.
    fn home(&self, tag: u64) -> [usize; 2] {
        [tag.rotate_left(32), tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)].map(|point| {
            let line = (u128::from(point) * self.lines.len() as u128) >> 64;
            usize::try_from(line).unwrap_or_default()
        })
    }

    fn find(&mut self, home: [usize; 2], tag: u64) -> Option<&mut Slot> {
        let line = home.into_iter().find(|line| self.lines[*line].iter().any(|s| s.tag == tag))?;
        self.lines[line].iter_mut().find(|slot| slot.tag == tag)
    }

    /// The slot whose bucket loses least by being forgotten, in the line with more free slots if
    /// there are free ones.
    fn place(&mut self, home: [usize; 2], usual: Shape, now: Mono) -> &mut Slot {
        let mut best: Option<(Rank, usize, usize)> = None;
        for line in home {
            let slots = &self.lines[line];
            let taken = slots.iter().filter(|slot| !slot.bucket.is_full(now)).count();
            for (index, slot) in slots.iter().enumerate() {
                let (debt, held) = slot.bucket.owed(now);
                let share = owed(debt, slot.tag, usual);
                let rank = (held > 0, debt > 0, taken, share, Reverse(debt));
                if best.is_none_or(|(least, ..)| rank < least) {
                    best = Some((rank, line, index));
                }
            }
        }
        let (_, line, index) = best.unwrap_or_default();
        &mut self.lines[line][index]
    }
}

/// Holders last, free slots first; in the line with more room before the other; a smaller share
/// before a larger; the later before the earlier.
type Rank = (bool, bool, usize, u64, Reverse<u64>);

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota::per_hour(4);
    const NOW: Mono = Mono::from_nanos(1_000_000_000);

    fn digest(key: u64) -> u64 {
        key << SIZE_BITS
    }

    fn left(table: &HoldingTable, key: u64) -> u32 {
        let debt = table.change(digest(key), QUOTA, NOW, |bucket, _| bucket.debt(QUOTA, NOW));
        crate::gcra::remaining(QUOTA, debt)
    }

    #[test]
    fn a_full_table_forgets_the_smallest_debt_and_a_holder_last() {
        let table = HoldingTable::for_peak(3);
        assert_eq!(table.size(), 4 * size_of::<Slot>());
        let (_, hold) = table.change(digest(1), QUOTA, NOW, |bucket, _| bucket.hold(QUOTA, NOW, 1));
        for (key, cost) in [(2, 2), (3, 3), (4, 4), (5, 4)] {
            assert!(table.change(digest(key), QUOTA, NOW, |b, _| b.take(QUOTA, NOW, cost)).1);
        }
        assert_eq!(table.evictions(), 1);
        assert_eq!([1, 2, 3, 4, 5].map(|key| left(&table, key)), [3, 4, 1, 0, 0]);
        // A hold whose bucket was forgotten is charged in full, and takes nothing from others.
        for key in 6..9 {
            table.change(digest(key), QUOTA, NOW, |bucket, _| bucket.hold(QUOTA, NOW, 4));
        }
        table.change(digest(9), QUOTA, NOW, |bucket, _| bucket.hold(QUOTA, NOW, 4));
        let hold = hold.unwrap();
        assert_eq!(left(&table, 1), 4, "forgotten");
        table.change(digest(1), QUOTA, NOW, |bucket, _| bucket.hold(QUOTA, NOW, 2));
        table.change(digest(1), QUOTA, NOW, |bucket, _| bucket.settle(QUOTA, NOW, hold, 0));
        assert_eq!(left(&table, 1), 1, "two are held and one is charged");
    }

    #[test]
    fn of_keys_that_owe_as_many_cells_the_last_one_goes_first() {
        const ONE: Quota = Quota::per_hour(1);

        let table = HoldingTable::for_peak(3);
        let at = |minute: u64| Mono::from_nanos((1 + minute * 60) * 1_000_000_000);
        let take = |key: u64, minute: u64| {
            let now = at(minute);
            table.change(digest(key), ONE, now, |bucket, _| bucket.take(ONE, now, 1)).1
        };
        for key in 1..=30 {
            assert!(take(key, key));
        }
        assert_eq!(table.evictions(), 26);
        assert_eq!([1, 2, 3].map(|key| take(key, 31)), [false; 3], "they stay blocked");
    }

    #[test]
    fn a_bucket_that_is_only_looked_at_takes_no_slot() {
        let table = HoldingTable::for_peak(1);
        (1..1_000).for_each(|key| assert_eq!(left(&table, key), 4));
        assert!(lock(&table.stripes[0]).lines.as_flattened().iter().all(|slot| slot.tag == EMPTY));
    }
}
