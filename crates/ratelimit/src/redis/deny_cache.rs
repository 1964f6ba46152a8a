//! Keys that the server has refused lately, so that a flood of refusals costs it nothing. Pure.
//!
//! An entry is what the server knew of a key's debt, dated back to when it was asked. The debt only
//! shrinks with time and grows with admissions, so the entry is a lower bound: what it refuses, the
//! server would refuse too. Only a reset, a refund and the loss of the key make it wrong, and for
//! [`LIFETIME`] at most.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hardpoint_core::Mono;

use super::Bucket;

/// For how long an entry may refuse.
const LIFETIME: Duration = Duration::from_secs(1);

/// A fixed number of slots, of which each bucket has one. A bucket that finds it taken displaces the
/// other, which costs that one a question to the server.
pub(super) struct DenyCache {
    slots: Box<[Mutex<Slot>]>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    bucket: Option<Bucket>,
    asked: Mono,
    full_at: Mono,
}

impl DenyCache {
    /// `None` if it would have no slots.
    pub(super) fn new(slots: usize) -> Option<Self> {
        (slots > 0).then(|| Self { slots: (0..slots).map(|_| Mutex::default()).collect() })
    }

    /// Notes the debt of a bucket that was asked about at `asked`.
    pub(super) fn note(&self, bucket: Bucket, asked: Mono, debt: u64) {
        if let Some(mut slot) = self.slot(bucket) {
            let full_at = asked.saturating_add(Duration::from_nanos(debt));
            *slot = Slot { bucket: Some(bucket), asked, full_at };
        }
    }

    /// The least debt that a bucket can have now. `None` if it is not known.
    pub(super) fn debt(&self, bucket: Bucket, now: Mono) -> Option<u64> {
        let slot = *self.slot(bucket)?;
        let known = slot.bucket == Some(bucket) && now.saturating_since(slot.asked) < LIFETIME;
        let debt = slot.full_at.saturating_since(now).as_nanos();
        known.then(|| u64::try_from(debt).unwrap_or(u64::MAX))
    }

    /// Forgets a bucket whose debt this process is about to lower.
    pub(super) fn forget(&self, bucket: Bucket) {
        if let Some(mut slot) = self.slot(bucket)
            && slot.bucket == Some(bucket)
        {
            *slot = Slot::default();
        }
    }

    fn slot(&self, bucket: Bucket) -> Option<MutexGuard<'_, Slot>> {
        let count = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(bucket.hash().checked_rem(count)?).ok()?;
        // A slot is whole after every change.
        self.slots.get(index).map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    const START: Mono = Mono::from_nanos(5_000_000_000);

    fn bucket(key: u128) -> Bucket {
        Bucket::new("client", Digest::from_bits(key << 6))
    }

    fn after(millis: u64) -> Mono {
        START.saturating_add(Duration::from_millis(millis))
    }

    #[test]
    fn a_debt_shrinks_with_time_and_is_forgotten_after_a_second() {
        let cache = DenyCache::new(64).unwrap();
        cache.note(bucket(1), START, 3_000_000_000);
        assert_eq!(cache.debt(bucket(1), START), Some(3_000_000_000));
        assert_eq!(cache.debt(bucket(1), after(999)), Some(2_001_000_000));
        assert_eq!(cache.debt(bucket(1), after(1_000)), None);
        assert_eq!(cache.debt(bucket(2), START), None);
        cache.note(bucket(1), START, 1_000_000);
        assert_eq!(cache.debt(bucket(1), after(5)), Some(0));
    }

    #[test]
    fn the_same_key_under_another_policy_is_another_bucket() {
        let digest = Digest::from_bits(7 << 6);
        let cache = DenyCache::new(1).unwrap();
        cache.note(Bucket::new("client", digest), START, 9);
        assert_eq!(cache.debt(Bucket::new("route", digest), START), None);
    }

    #[test]
    fn a_bucket_displaces_another_and_forgets_only_itself() {
        let cache = DenyCache::new(1).unwrap();
        cache.note(bucket(1), START, 9);
        cache.forget(bucket(2));
        assert_eq!(cache.debt(bucket(1), START), Some(9));
        cache.note(bucket(2), START, 8);
        assert_eq!((cache.debt(bucket(1), START), cache.debt(bucket(2), START)), (None, Some(8)));
        cache.forget(bucket(2));
        assert_eq!(cache.debt(bucket(2), START), None);
        assert!(DenyCache::new(0).is_none());
    }
}
