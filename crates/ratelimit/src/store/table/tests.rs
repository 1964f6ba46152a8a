//! The table alone, by hand, by random steps, and under loom.

use super::*;

/// Charges `price` if the debt stays within `tolerance`, as the limiter does.
fn charge(now: u64, price: u64, tolerance: u64) -> impl Fn(u64) -> Option<u64> {
    move |state| {
        let next = state.max(now) + price;
        (next - now <= tolerance).then_some(next)
    }
}

#[cfg(not(hardpoint_loom))]
mod sequential {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_keeps_its_state() {
        let table = Table::for_peak(100);
        assert_eq!(table.read(7), 0);
        assert_eq!(table.change(7, 10, |_| Some(50)), Change { before: 0, stored: true });
        assert_eq!(
            table.change(7, 10, |state| Some(state + 1)),
            Change { before: 50, stored: true }
        );
        assert_eq!(table.change(7, 10, |_| None), Change { before: 51, stored: false });
        assert_eq!(table.read(7), 51);
        assert_eq!(table.read(8), 0);
    }

    #[test]
    fn digests_that_look_like_marks_are_keys_too() {
        let table = Table::for_peak(1);
        for digest in [EMPTY, CLAIMED] {
            assert_eq!(table.read(digest), 0);
            table.change(digest, 0, |_| Some(digest + 40));
            assert_eq!(table.read(digest), digest + 40);
        }
    }

    #[test]
    fn a_key_that_is_only_asked_about_takes_no_slot() {
        let table = Table::for_peak(1);
        for digest in 2..1_000 {
            assert_eq!(table.read(digest), 0);
        }
        table.change(5, 0, |_| Some(9));
        assert_eq!(table.evictions(), 0);
    }

    #[test]
    fn a_slot_whose_state_has_passed_is_free_and_nothing_is_evicted() {
        let table = Table::for_peak(3);
        for round in 1..200 {
            let now = round * 1_000;
            for key in 0..3 {
                let digest = (round * 3 + key) << 40;
                table.change(digest, now, |_| Some(now + 10));
            }
        }
        assert_eq!(table.evictions(), 0);
    }

    #[test]
    fn a_full_table_forgets_the_smallest_debt_and_counts_it() {
        let table = Table::for_peak(3);
        assert_eq!(table.size(), 64);
        for key in 2..6_u64 {
            table.change(key, 0, |_| Some(1_000 + key));
        }
        table.change(99, 0, |_| Some(5_000));
        assert_eq!(table.evictions(), 1);
        assert_eq!(table.read(2), 0, "key 2 owed least");
        assert_eq!(table.read(3), 1_003);
        assert_eq!(table.read(99), 5_000);
    }

    #[test]
    fn threads_that_meet_one_key_first_charge_one_bucket() {
        let table = Table::for_peak(64);
        for round in 0..200_u64 {
            let digest = round.wrapping_mul(0x2545_f491_4f6c_dd1d);
            let now = 1 + round * 1_000;
            let admitted: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            (0..20)
                                .filter(|_| table.change(digest, now, charge(now, 10, 100)).stored)
                                .count()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(admitted, 10, "round {round}");
        }
    }

    proptest! {
        /// With room for every key the table decides as a map does.
        #[test]
        fn a_roomy_table_is_a_map(steps in proptest::collection::vec((0_u64..30, 0_u64..50), 1..400)) {
            let table = Table::for_peak(4_096);
            let mut model: HashMap<u64, u64> = HashMap::new();
            let mut now = 1;
            for (key, pause) in steps {
                now += pause;
                let digest = key.wrapping_mul(0xd134_2543_de82_ef95);
                let before = model.get(&key).copied().unwrap_or(0);
                let next = charge(now, 20, 60);
                let change = table.change(digest, now, &next);
                prop_assert_eq!(change.stored, next(before).is_some());
                // A passed state may have been given away: both mean a full bucket.
                prop_assert!(change.before == before || (change.before == 0 && before <= now));
                if let Some(state) = next(before) {
                    model.insert(key, state);
                }
            }
            prop_assert_eq!(table.evictions(), 0);
        }
    }
}

#[cfg(hardpoint_loom)]
mod explored {
    use std::sync::Arc;

    use super::*;

    fn explore(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(model);
    }

    #[test]
    fn two_threads_that_meet_one_key_first_give_it_one_slot() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            let twin = Arc::clone(&table);
            let other =
                loom::thread::spawn(move || twin.change(7, 100, charge(100, 10, 10)).stored);
            let ours = table.change(7, 100, charge(100, 10, 10)).stored;
            let theirs = other.join().unwrap();
            assert!(ours ^ theirs, "a burst of one admits one");
        });
    }

    #[test]
    fn a_key_that_is_charged_meanwhile_keeps_its_slot_while_another_is_free() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            // Keys 2 and 3 have passed at 100, the others are in debt.
            for (key, state) in [(2, 50), (3, 40), (4, 900), (5, 900)] {
                table.change(key, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, 100, charge(100, 10, 10)).stored);
            let first = table.change(2, 100, charge(100, 10, 10)).stored;
            assert!(newcomer.join().unwrap() && first);
            assert_eq!(table.evictions(), 0, "a slot was free");
            assert!(!table.change(2, 100, charge(100, 10, 10)).stored, "a burst of one admits one");
        });
    }

    #[test]
    fn a_slot_that_changes_hands_never_lends_its_state() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            // Four keys fill the one line; key 2 has passed at 100, the others are in debt.
            for (key, state) in [(2, 50), (3, 900), (4, 900), (5, 900)] {
                table.change(key, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, 100, charge(100, 10, 10)).stored);
            let known = table.change(2, 100, charge(100, 10, 10)).stored;
            assert!(newcomer.join().unwrap(), "a new key has a full bucket");
            assert!(known, "a key that owes nothing has a full bucket");
        });
    }
}
