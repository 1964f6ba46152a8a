//! The store in memory: bounded, exact under threads, and hard to push keys out of.

use std::{thread, time::Duration};

use hardpoint_core::{Answer, Clock, Key, ManualClock, SystemClock};
use hardpoint_ratelimit::{Batch, Entry, MemoryStore, Mode, Quota, Store};
use proptest::prelude::*;

fn entry<C: Clock>(store: &MemoryStore<C>, policy: u8, key: u64, quota: Quota) -> Entry {
    let key = store.digest(&Key::borrowed(&key.to_le_bytes()));
    Entry { policy, key, quota, cost: 1, mode: Mode::Enforce }
}

fn decide<C: Clock>(store: &MemoryStore<C>, entries: &[Entry]) -> bool {
    let mut batch = Batch::new();
    entries.iter().for_each(|entry| batch.push(*entry).unwrap());
    match store.decide(&batch) {
        Answer::Now(answer) => answer.unwrap().allowed(),
        Answer::Later(_) => panic!("memory answers at once"),
    }
}

#[test]
fn a_key_costs_22_bytes_at_most_and_nothing_is_added_later() {
    for keys in [1_000, 65_536, 1_000_003] {
        let store = MemoryStore::for_peak(&[keys], ManualClock::default());
        assert!(store.size() <= keys * 22 + 64, "{} bytes for {keys} keys", store.size());
        let size = store.size();
        for key in 0..10_000 {
            decide(&store, &[entry(&store, 0, key, Quota::per_hour(5))]);
        }
        assert_eq!(store.size(), size);
    }
}

#[test]
fn as_many_keys_as_announced_fit_and_hardly_one_is_forgotten() {
    let store = MemoryStore::for_peak(&[100_000], ManualClock::default());
    for key in 0..100_000 {
        assert!(decide(&store, &[entry(&store, 0, key, Quota::per_hour(1))]));
    }
    let forgotten = (0..100_000)
        .filter(|&key| {
            let mut look = entry(&store, 0, key, Quota::per_hour(1));
            look.cost = 0;
            let mut batch = Batch::new();
            batch.push(look).unwrap();
            match store.decide(&batch) {
                Answer::Now(answer) => {
                    answer.unwrap().of(&batch).all(|(_, verdict)| verdict.remaining() == 1)
                }
                Answer::Later(_) => panic!("memory answers at once"),
            }
        })
        .count();
    println!("forgotten of 100 000 keys at the announced peak: {forgotten}");
    assert!(forgotten < 1_000, "{forgotten}");
}

#[test]
fn threads_together_get_what_one_would() {
    let store = MemoryStore::for_peak(&[64, 64], ManualClock::default());
    let (wide, narrow) = (Quota::per_hour(40_000), Quota::per_hour(1_000));
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let batch = [entry(&store, 0, 7, wide), entry(&store, 1, 7, narrow)];
                    (0..5_000).filter(|_| decide(&store, &batch)).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1_000);
    // What the narrow policy refused was given back to the wide one.
    let mut left = 0;
    while decide(&store, &[entry(&store, 0, 7, wide)]) {
        left += 1;
    }
    assert_eq!(left, 39_000);
}

#[test]
fn a_bucket_that_has_filled_up_is_full_whether_or_not_it_was_kept() {
    let clock = ManualClock::default();
    let store = MemoryStore::for_peak(&[3], clock.clone());
    let quota = Quota::per_second(10).burst(5);
    for round in 0..1_000_u64 {
        for key in 0..3 {
            let key = round * 3 + key;
            for _ in 0..5 {
                assert!(decide(&store, &[entry(&store, 0, key, quota)]));
            }
            assert!(!decide(&store, &[entry(&store, 0, key, quota)]));
        }
        clock.advance(Duration::from_millis(500));
    }
    assert_eq!(store.evictions(), 0);
}

proptest! {
    /// One entry alone is decided as a batch of it is, in every mode and at every debt.
    #[test]
    fn one_entry_is_decided_as_a_batch_of_it(
        steps in proptest::collection::vec((0_u8..5, 0_u32..6, 0_u64..400), 1..60),
    ) {
        let clock = ManualClock::default();
        let (alone, batched) = (MemoryStore::for_peak(&[9], clock.clone()), MemoryStore::for_peak(&[9], clock.clone()));
        let quota = Quota::per_second(10).burst(5);
        for (mode, cost, pause) in steps {
            clock.advance(Duration::from_millis(pause));
            let mode = [Mode::Enforce, Mode::Observe, Mode::Force, Mode::Refund, Mode::Reset]
                [usize::from(mode)];
            let mine = Entry { cost, mode, ..entry(&alone, 0, 1, quota) };
            let Answer::Now(Ok(one)) = alone.decide_one(&mine) else { panic!("memory answers at once") };
            let mut batch = Batch::new();
            batch.push(Entry { cost, mode, ..entry(&batched, 0, 1, quota) }).unwrap();
            let Answer::Now(Ok(many)) = batched.decide(&batch) else { panic!("memory answers at once") };
            let (_, many) = many.of(&batch).next().unwrap();
            prop_assert_eq!(format!("{one:?}"), format!("{many:?}"));
        }
    }
}

#[test]
fn a_policy_that_the_store_has_no_table_for_is_an_error() {
    let store = MemoryStore::for_peak(&[1], SystemClock);
    let mut batch = Batch::new();
    batch.push(entry(&store, 1, 1, Quota::per_second(1))).unwrap();
    match store.decide(&batch) {
        Answer::Now(answer) => assert!(answer.is_err()),
        Answer::Later(_) => panic!("memory answers at once"),
    }
}
