//! The table alone, by hand, by random steps, and under loom.

use super::*;

/// The size of buckets where it does not matter.
const SIZE: u8 = 10;

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
        assert_eq!(table.change(7, SIZE, 10, |_| Some(50)), Change { before: 0, stored: true });
        assert_eq!(
            table.change(7, SIZE, 10, |state| Some(state + 1)),
            Change { before: 50, stored: true }
        );
        assert_eq!(table.change(7, SIZE, 10, |_| None), Change { before: 51, stored: false });
        assert_eq!(table.read(7), 51);
        assert_eq!(table.read(8), 0);
    }

    #[test]
    fn digests_that_look_like_marks_are_keys_too() {
        let table = Table::for_peak(1);
        for digest in [EMPTY, CLAIMED] {
            assert_eq!(table.read(digest), 0);
            table.change(digest, SIZE, 0, |_| Some(digest + 40));
            assert_eq!(table.read(digest), digest + 40);
        }
    }

    #[test]
    fn a_key_that_is_only_asked_about_takes_no_slot() {
        let table = Table::for_peak(1);
        for digest in 2..1_000 {
            assert_eq!(table.read(digest), 0);
        }
        table.change(5, SIZE, 0, |_| Some(9));
        assert_eq!(table.evictions(), 0);
    }

    #[test]
    fn a_slot_whose_state_has_passed_is_free_and_nothing_is_evicted() {
        let table = Table::for_peak(3);
        for round in 1..200 {
            let now = round * 1_000;
            for key in 0..3 {
                let digest = (round * 3 + key) << 40;
                table.change(digest, SIZE, now, |_| Some(now + 10));
            }
        }
        assert_eq!(table.evictions(), 0);
    }

    #[test]
    fn a_full_table_forgets_the_smallest_debt_and_counts_it() {
        let table = Table::for_peak(3);
        assert_eq!(table.size(), 64);
        let digest = |key: u64| key << SIZE_BITS;
        for key in 2..6_u64 {
            table.change(digest(key), SIZE, 0, |_| Some(1_000 + key));
        }
        table.change(digest(99), SIZE, 0, |_| Some(5_000));
        assert_eq!(table.evictions(), 1);
        assert_eq!(table.read(digest(2)), 0, "key 2 owed least");
        assert_eq!(table.read(digest(3)), 1_003);
        assert_eq!(table.read(digest(99)), 5_000);
    }

    #[test]
    fn a_full_table_forgets_the_smallest_share_of_a_burst_and_not_the_smallest_debt() {
        let table = Table::for_peak(3);
        let digest = |key: u64, size: u8| key << SIZE_BITS | u64::from(size);
        // A burst of 2^10 that is used up, one of 2^20 that is hardly touched, and the policy's own.
        table.change(digest(1, 10), 10, 0, |_| Some(1_024));
        table.change(digest(2, 20), 20, 0, |_| Some(9_000));
        table.change(digest(3, 0), 12, 0, |_| Some(4_000));
        table.change(digest(4, 20), 20, 0, |_| Some(1_000_000));
        table.change(digest(5, 0), 12, 0, |_| Some(1));
        assert_eq!(table.evictions(), 1);
        assert_eq!(table.read(digest(2, 20)), 0, "a hundredth of its burst was owed");
        for (key, size, state) in [(1, 10, 1_024), (3, 0, 4_000), (4, 20, 1_000_000), (5, 0, 1)] {
            assert_eq!(table.read(digest(key, size)), state);
        }
    }

    #[test]
    fn a_cut_shortens_states_of_the_usual_size_and_no_others() {
        let table = Table::for_peak(100);
        let own = 7 << SIZE_BITS | 20;
        for (digest, state) in [(1 << SIZE_BITS, 50), (2 << SIZE_BITS, 900), (own, 5_000)] {
            table.change(digest, SIZE, 0, |_| Some(state));
        }
        table.cut(200);
        assert_eq!([1, 2].map(|key| table.read(key << SIZE_BITS)), [50, 200]);
        assert_eq!(table.read(own), 5_000, "another size has another quota");
    }

    #[test]
    fn shares_of_debts_keep_their_order_at_any_size() {
        for size in 0..=63_u8 {
            let whole = 1_u64 << size;
            assert!(share(whole, size) >= share(whole / 2, size));
            assert!(share(whole - 1, size) <= 1 << 62, "{size}");
            assert_eq!(share(0, size), 0);
            assert!(share(u64::MAX, size) >= 1 << 62);
        }
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
                                .filter(|_| {
                                    table.change(digest, SIZE, now, charge(now, 10, 100)).stored
                                })
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
                let change = table.change(digest, SIZE, now, &next);
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
                loom::thread::spawn(move || twin.change(7, SIZE, 100, charge(100, 10, 10)).stored);
            let ours = table.change(7, SIZE, 100, charge(100, 10, 10)).stored;
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
                table.change(key, SIZE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, SIZE, 100, charge(100, 10, 10)).stored);
            let first = table.change(2, SIZE, 100, charge(100, 10, 10)).stored;
            assert!(newcomer.join().unwrap() && first);
            assert_eq!(table.evictions(), 0, "a slot was free");
            assert!(
                !table.change(2, SIZE, 100, charge(100, 10, 10)).stored,
                "a burst of one admits one"
            );
        });
    }

    #[test]
    fn a_slot_that_changes_hands_never_lends_its_state() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            // Four keys fill the one line; key 2 has passed at 100, the others are in debt.
            for (key, state) in [(2, 50), (3, 900), (4, 900), (5, 900)] {
                table.change(key, SIZE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, SIZE, 100, charge(100, 10, 10)).stored);
            let known = table.change(2, SIZE, 100, charge(100, 10, 10)).stored;
            assert!(newcomer.join().unwrap(), "a new key has a full bucket");
            assert!(known, "a key that owes nothing has a full bucket");
        });
    }

    /// A key whose bucket has the policy's own size: only those are cut.
    const fn own(key: u64) -> u64 {
        key << SIZE_BITS
    }

    #[test]
    fn a_cut_does_not_undo_a_refund() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            table.change(own(2), SIZE, 0, |_| Some(900));
            let twin = Arc::clone(&table);
            let cutter = loom::thread::spawn(move || twin.cut(200));
            // As the limiter refunds by the new quota: within it, and then 50 less.
            table.change(own(2), SIZE, 100, |state| Some(state.min(200) - 50));
            cutter.join().unwrap();
            assert_eq!(table.read(own(2)), 150);
        });
    }

    #[test]
    fn a_cut_leaves_a_slot_that_changes_hands_to_the_new_key() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            for (key, state) in [(2, 300), (3, 900), (4, 900), (5, 900)] {
                table.change(own(key), SIZE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let cutter = loom::thread::spawn(move || twin.cut(200));
            let newcomer = table.change(own(6), SIZE, 100, charge(100, 10, 10));
            cutter.join().unwrap();
            assert!(newcomer.stored);
            assert_eq!(table.read(own(6)), 110, "short enough not to be cut");
        });
    }
}
