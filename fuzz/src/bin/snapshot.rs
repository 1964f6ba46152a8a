//! Any bytes as the snapshot of a store: what is restored is what stands there, nobody owes more than
//! that or is locked out for longer than a bucket takes, and the memory is what was asked for. A snapshot of
//! our own comes back as it was.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{collections::BTreeMap, time::Duration};

use hardpoint_core::{Clock, ManualClock};
use hardpoint_fuzz::Numbers;
use hardpoint_ratelimit::{Digest, Entry, MemoryStore, Mode, Quota};

hardpoint_fuzz::target!(check);

/// Where the time stands, and where the number of tables.
const TIME: usize = 22;
const TABLES: usize = 30;
const ROOM: usize = 16;
const QUOTA: Quota = Quota::per_second(5).burst(3);

fn check(data: &[u8]) {
    let tables = data.get(TABLES..TABLES + 2).map_or(0, little).min(8);
    let room = vec![ROOM; usize::try_from(tables).expect("at most 8")];
    let taken = data.get(TIME..TIME + 8).map_or(0, little);
    for elapsed in [0, 1_000_000_000] {
        let clock = ManualClock::at_unix(Duration::from_nanos(taken.saturating_add(elapsed)));
        if let Ok(store) = MemoryStore::restore(data, &room, clock.clone()) {
            let elapsed = taken.saturating_add(elapsed) - taken;
            restored(&store, data, elapsed, &clock);
            assert_eq!(store.size(), MemoryStore::for_peak(&room, clock).size());
        }
    }
    own(Numbers::of(data));
}

fn restored(store: &MemoryStore<ManualClock>, data: &[u8], elapsed: u64, clock: &ManualClock) {
    let (given, kept) = (entries(data), entries(&store.snapshot()));
    let most = u64::MAX - clock.now().as_nanos();
    for &(table, digest, debt) in &kept {
        // A state that would hide a change of hands is a nanosecond later.
        assert!(given.iter().any(|&(of, own, owed)| {
            let owed = owed.saturating_sub(elapsed).min(most);
            of == table && tag(own) == digest && debt.saturating_sub(owed) <= 1
        }));
    }
    if store.evictions() == 0 {
        let owed =
            given.iter().map(|&(of, own, owed)| ((of, tag(own)), owed.saturating_sub(elapsed)));
        let owed: BTreeMap<_, _> = owed.filter(|(_, owed)| *owed > 0).collect();
        let found = kept.iter().map(|&(table, digest, debt)| ((table, digest), debt));
        let found: BTreeMap<_, _> = found.collect();
        assert_eq!(found, owed.into_iter().map(|(key, owed)| (key, owed.min(most))).collect());
    }
    for (table, digest, _) in kept {
        let ask = |cost| Entry {
            policy: u8::try_from(table).expect("at most 8"),
            key: Digest::from_bits(digest.into()),
            quota: QUOTA,
            cost,
            mode: Mode::Enforce,
        };
        let decide = |cost| {
            let verdicts = store.decide_at(&ask(cost).into(), clock.now());
            verdicts.expect("there is a table").allowed()
        };
        let _ = decide(1);
        clock.advance(QUOTA.window());
        assert!(decide(3) && !decide(1));
    }
}

/// A digest as the table keeps it: two of them mean something else there.
fn tag(digest: u64) -> u64 {
    if digest <= 1 { digest | 1 << 63 } else { digest }
}

/// A bucket of a table.
type Kept = (usize, u64, u64);

/// The entries of a snapshot that was accepted: table, digest, debt.
fn entries(snapshot: &[u8]) -> Vec<Kept> {
    let mut rest = snapshot.get(TABLES + 2..).expect("a whole head");
    let mut all = Vec::new();
    let next = |rest: &mut &[u8]| {
        let (number, left) = rest.split_at(8);
        *rest = left;
        little(number)
    };
    for table in 0.. {
        if rest.is_empty() {
            break;
        }
        for _ in 0..next(&mut rest) {
            all.push((table, next(&mut rest), next(&mut rest)));
        }
    }
    all
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is done to buckets is the same after a restart.
fn own(mut numbers: Numbers<'_>) {
    let clock = ManualClock::default();
    let store = MemoryStore::for_peak(&[ROOM, ROOM], clock.clone());
    while let (Some(key), Some(cost)) = (numbers.byte(), numbers.byte()) {
        let key = Entry {
            policy: key % 2,
            key: Digest::from_bits(u128::from(key) << 56 | 64),
            quota: QUOTA,
            cost: cost.into(),
            mode: Mode::Force,
        };
        assert!(store.decide_at(&key.into(), clock.now()).is_ok());
        clock.advance(Duration::from_millis(cost.into()));
    }
    let snapshot = store.snapshot();
    let again = MemoryStore::restore(&snapshot, &[ROOM, ROOM], clock.clone());
    let again = again.expect("our own snapshot");
    let (mut before, mut after) = (entries(&snapshot), entries(&again.snapshot()));
    before.sort_unstable();
    after.sort_unstable();
    if again.evictions() == 0 {
        assert_eq!(before, after);
    }
    let now = entries(&again.snapshot()).len();
    clock.advance(QUOTA.window());
    assert!(now <= before.len() && entries(&again.snapshot()).is_empty());
}
