//! Copies by key, in bounded memory: pure, without a clock.

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use hardpoint_core::Mono;
use http::{HeaderMap, StatusCode, Version};

use super::fields::{self, Selecting, Variant};

/// The bytes that a copy counts beside its own: for the map, the queue, and the struct itself.
const OVERHEAD: usize = 512;

/// The last good response of a key.
#[derive(Debug)]
pub(super) struct StoredCopy {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) variant: Variant,
    /// The age that the response had when it arrived.
    pub(super) had_age: Duration,
    /// When the response arrived.
    pub(super) stored: Mono,
    /// The instant at which it expires.
    pub(super) expires: Mono,
}

/// The result of a look-up.
#[derive(Debug)]
pub(super) enum Found {
    Absent,
    Expired,
    Usable(Arc<StoredCopy>),
}

/// Copies by key. The oldest one makes room, unless another response to its key has arrived since
/// it was queued: then it gets a second turn. Keys that were seen once do not push out the others.
#[derive(Debug)]
pub(super) struct Copies {
    /// Ordered, so that the keys of a target are neighbors.
    slots: BTreeMap<Arc<[u8]>, Slot>,
    /// The key of each slot by its turn.
    queue: BTreeMap<u64, Arc<[u8]>>,
    next_turn: u64,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Slot {
    copy: Arc<StoredCopy>,
    bytes: usize,
    turn: u64,
    has_second_turn: bool,
}

impl StoredCopy {
    /// The memory that it takes with its key.
    pub(super) fn bytes(&self, key: &[u8]) -> usize {
        let own = fields::size(&self.headers) + self.body.len() + self.variant.len();
        OVERHEAD + key.len() + own
    }
}

impl Copies {
    pub(super) fn new(max_entries: usize, max_bytes: usize) -> Self {
        let (slots, queue) = (BTreeMap::new(), BTreeMap::new());
        Self { slots, queue, next_turn: 0, bytes: 0, max_entries, max_bytes }
    }

    /// The copy for a request. One that has expired is removed.
    pub(super) fn find(&mut self, key: &[u8], request: &Selecting, now: Mono) -> Found {
        let Some(Slot { copy, .. }) = self.slots.get(key) else { return Found::Absent };
        let is_for_request = copy.variant.matches(request);
        if copy.expires <= now {
            self.remove(key);
            return if is_for_request { Found::Expired } else { Found::Absent };
        }
        if is_for_request { Found::Usable(Arc::clone(copy)) } else { Found::Absent }
    }

    /// Whether a response that arrives at `now` is worth keeping: its request has no copy, or one
    /// that is at least as old as `replaced_after`.
    pub(super) fn wants(
        &mut self,
        key: &[u8],
        request: &Selecting,
        now: Mono,
        replaced_after: Duration,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(key) else { return true };
        slot.has_second_turn = true;
        let age = now.saturating_since(slot.copy.stored);
        age >= replaced_after || !slot.copy.variant.matches(request)
    }

    /// Keeps a copy in place of the last one of its key. Others make room.
    pub(super) fn insert(&mut self, key: &[u8], copy: StoredCopy) {
        let bytes = copy.bytes(key);
        if bytes > self.max_bytes {
            return;
        }
        let copy = Arc::new(copy);
        if let Some(slot) = self.slots.get_mut(key) {
            if slot.copy.stored > copy.stored {
                // An earlier response, whose body took longer to arrive.
                return;
            }
            self.bytes = self.bytes - slot.bytes + bytes;
            *slot = Slot { copy, bytes, turn: slot.turn, has_second_turn: true };
        } else {
            let key: Arc<[u8]> = key.into();
            let turn = self.take_turn(Arc::clone(&key));
            self.slots.insert(key, Slot { copy, bytes, turn, has_second_turn: false });
            self.bytes += bytes;
        }
        while self.slots.len() > self.max_entries || self.bytes > self.max_bytes {
            self.make_room();
        }
    }

    /// Removes the first copy of the queue, or gives it its second turn.
    fn make_room(&mut self) {
        // The queue has a key for each slot, and a bound is exceeded only if a slot exists.
        let Some((_, key)) = self.queue.pop_first() else { return };
        if self.slots.get(&key).is_some_and(|slot| slot.has_second_turn) {
            let turn = self.take_turn(Arc::clone(&key));
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.has_second_turn = false;
                slot.turn = turn;
            }
        } else {
            self.remove(&key);
        }
    }

    /// Puts a key at the end of the queue.
    fn take_turn(&mut self, key: Arc<[u8]>) -> u64 {
        let turn = self.next_turn;
        // A process ends before it has stored so often.
        self.next_turn += 1;
        self.queue.insert(turn, key);
        turn
    }

    /// Removes the copy of a key.
    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.slots.remove(key) {
            self.queue.remove(&slot.turn);
            self.bytes -= slot.bytes;
        }
    }

    /// Removes all copies whose keys begin with `prefix`. It takes time for these copies only.
    pub(super) fn remove_all(&mut self, prefix: &[u8]) {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.slots.range::<[u8], _>(from).map(|(key, _)| key);
        let keys: Vec<_> = keys.take_while(|key| key.starts_with(prefix)).cloned().collect();
        for key in keys {
            self.remove(&key);
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.queue.clear();
        self.bytes = 0;
    }

    /// The number of copies and the memory that they take.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn copy(body: usize, stored: u64) -> StoredCopy {
        StoredCopy {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: vec![0; body].into(),
            variant: Variant::default(),
            had_age: Duration::ZERO,
            stored: at(stored),
            expires: at(stored + 60),
        }
    }

    fn anyone() -> Selecting {
        Selecting::new(&HeaderMap::new())
    }

    fn has(copies: &mut Copies, key: &[u8]) -> bool {
        matches!(copies.find(key, &anyone(), at(0)), Found::Usable(_))
    }

    #[test]
    fn a_copy_is_served_until_it_expires() {
        let mut copies = Copies::new(10, 10_000);
        assert!(matches!(copies.find(b"a", &anyone(), at(0)), Found::Absent));
        copies.insert(b"a", copy(5, 10));
        assert!(matches!(copies.find(b"a", &anyone(), at(69)), Found::Usable(_)));
        let mut wants = |now| copies.wants(b"a", &anyone(), at(now), Duration::from_secs(5));
        assert!(!wants(14) && wants(15));
        copies.insert(b"a", copy(7, 9));
        let Found::Usable(kept) = copies.find(b"a", &anyone(), at(20)) else { panic!("kept") };
        assert_eq!(kept.body.len(), 5, "the later response stays");
        assert!(matches!(copies.find(b"a", &anyone(), at(70)), Found::Expired));
        assert_eq!(copies.usage(), (0, 0), "an expired copy takes no memory");
        assert!(matches!(copies.find(b"a", &anyone(), at(20)), Found::Absent));
    }

    #[test]
    fn keys_that_are_seen_once_do_not_push_out_those_that_come_back() {
        let mut copies = Copies::new(100, 10_000_000);
        let popular: Vec<_> = (0..50_u8).map(|key| [b'p', key]).collect();
        for flood in 0..10_000_u32 {
            if flood % 50 == 0 {
                for key in &popular {
                    copies.insert(key, copy(1, 0));
                }
            }
            copies.insert(&flood.to_le_bytes(), copy(1, 0));
        }
        assert_eq!(copies.usage().0, 100);
        assert!(popular.iter().all(|key| has(&mut copies, key)));
    }

    proptest! {
        #[test]
        fn the_bounds_hold_after_any_history(
            steps in proptest::collection::vec((any::<[u8; 2]>(), 0_usize..3_000), 1..300),
            max_entries in 1_usize..40,
            max_bytes in 600_usize..20_000,
        ) {
            let mut copies = Copies::new(max_entries, max_bytes);
            for (key, body) in steps {
                match body {
                    0..100 => copies.remove(&key),
                    100..200 => {
                        copies.remove_all(&key[..1]);
                        prop_assert!(copies.slots.keys().all(|other| other[0] != key[0]));
                    }
                    _ => copies.insert(&key, copy(body, 0)),
                }
                let (entries, bytes) = copies.usage();
                prop_assert!(entries <= max_entries && bytes <= max_bytes);
                prop_assert_eq!(entries, copies.queue.len());
                for (turn, key) in &copies.queue {
                    prop_assert_eq!(copies.slots[key].turn, *turn);
                }
                let sum: usize = copies.slots.values().map(|slot| slot.bytes).sum();
                prop_assert_eq!(sum, bytes);
            }
        }
    }
}
