//! The table alone, by hand, by random steps, and under loom.

use super::*;

/// The shape of buckets where it does not matter.
const SHAPE: Shape = shape(10, 1);

const fn shape(size: u8, cell: u64) -> Shape {
    Shape { size, cell }
}

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
        assert_eq!(table.change(7, SHAPE, 10, |_| Some(50)), Change { before: 0, stored: true });
        assert_eq!(
            table.change(7, SHAPE, 10, |state| Some(state + 1)),
            Change { before: 50, stored: true }
        );
        assert_eq!(table.change(7, SHAPE, 10, |_| None), Change { before: 51, stored: false });
        assert_eq!(table.read(7), 51);
        assert_eq!(table.read(8), 0);
    }

    #[test]
    fn digests_that_look_like_marks_are_keys_too() {
        let table = Table::for_peak(1);
        for digest in [EMPTY, CLAIMED] {
            assert_eq!(table.read(digest), 0);
            table.change(digest, SHAPE, 0, |_| Some(digest + 40));
            assert_eq!(table.read(digest), digest + 40);
        }
    }

    #[test]
    fn a_key_that_is_only_asked_about_takes_no_slot() {
        let table = Table::for_peak(1);
        for digest in 2..1_000 {
            assert_eq!(table.read(digest), 0);
        }
        table.change(5, SHAPE, 0, |_| Some(9));
        assert_eq!(table.evictions(), 0);
    }

    #[test]
    fn a_slot_whose_state_has_passed_is_free_and_nothing_is_evicted() {
        let table = Table::for_peak(3);
        for round in 1..200 {
            let now = round * 1_000;
            for key in 0..3 {
                let digest = (round * 3 + key) << 40;
                table.change(digest, SHAPE, now, |_| Some(now + 10));
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
            table.change(digest(key), SHAPE, 0, |_| Some(1_000 + key));
        }
        table.change(digest(99), SHAPE, 0, |_| Some(5_000));
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
        table.change(digest(1, 10), shape(10, 1), 0, |_| Some(1_024));
        table.change(digest(2, 20), shape(20, 1), 0, |_| Some(9_000));
        table.change(digest(3, 0), shape(12, 1), 0, |_| Some(4_000));
        table.change(digest(4, 20), shape(20, 1), 0, |_| Some(1_000_000));
        table.change(digest(5, 0), shape(12, 1), 0, |_| Some(1));
        assert_eq!(table.evictions(), 1);
        assert_eq!(table.read(digest(2, 20)), 0, "a hundredth of its burst was owed");
        for (key, size, state) in [(1, 10, 1_024), (3, 0, 4_000), (4, 20, 1_000_000), (5, 0, 1)] {
            assert_eq!(table.read(digest(key, size)), state);
        }
    }

    #[test]
    fn of_keys_that_owe_as_many_cells_the_last_one_goes_first() {
        let table = Table::for_peak(3);
        let digest = |key: u64| key << SIZE_BITS;
        // A burst of one: each key is blocked for 1 000 ns, and the first is nearest to its end.
        let one = |key: u64, now: u64| {
            table.change(digest(key), shape(10, 1_000), now, charge(now, 1_000, 1_000)).stored
        };
        for key in 1..=4 {
            assert!(one(key, key * 100));
        }
        // A flood of keys that come once.
        for (key, now) in (5..300).zip(400..) {
            assert!(one(key, now));
        }
        assert_eq!(table.evictions(), 295);
        assert_eq!([1, 2, 3].map(|key| one(key, 700)), [false; 3], "they stay blocked");
        assert_eq!(table.read(digest(4)), 0);
    }

    #[test]
    fn a_key_that_owes_fewer_cells_goes_before_a_later_one_that_owes_more() {
        let table = Table::for_peak(3);
        let digest = |key: u64| key << SIZE_BITS;
        let take = |key: u64, now: u64, cells: u64| {
            let taken = charge(now, cells * 1_000, 5_000);
            assert!(table.change(digest(key), shape(12, 1_000), now, taken).stored);
        };
        take(1, 0, 5);
        take(2, 0, 1);
        take(3, 10, 4);
        take(4, 20, 5);
        // It owes 4 999 ns, and so still five cells, as the key that came at 20.
        take(5, 21, 2);
        assert_eq!(table.read(digest(2)), 0, "it owed one cell");
        take(6, 22, 5);
        assert_eq!(table.read(digest(5)), 0, "it owed two");
        take(7, 23, 5);
        assert_eq!(table.read(digest(3)), 0, "it owed four");
        take(8, 24, 5);
        assert_eq!(table.read(digest(7)), 0, "it owed five, and came last");
    }

    #[test]
    fn a_cut_shortens_states_of_the_usual_size_and_no_others() {
        let table = Table::for_peak(100);
        let own = 7 << SIZE_BITS | 20;
        for (digest, state) in [(1 << SIZE_BITS, 50), (2 << SIZE_BITS, 900), (own, 5_000)] {
            table.change(digest, SHAPE, 0, |_| Some(state));
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
                                    table.change(digest, SHAPE, now, charge(now, 10, 100)).stored
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
                let change = table.change(digest, SHAPE, now, &next);
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
                loom::thread::spawn(move || twin.change(7, SHAPE, 100, charge(100, 10, 10)).stored);
            let ours = table.change(7, SHAPE, 100, charge(100, 10, 10)).stored;
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
                table.change(key, SHAPE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, SHAPE, 100, charge(100, 10, 10)).stored);
            let first = table.change(2, SHAPE, 100, charge(100, 10, 10)).stored;
            assert!(newcomer.join().unwrap() && first);
            assert_eq!(table.evictions(), 0, "a slot was free");
            assert!(
                !table.change(2, SHAPE, 100, charge(100, 10, 10)).stored,
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
                table.change(key, SHAPE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let newcomer =
                loom::thread::spawn(move || twin.change(6, SHAPE, 100, charge(100, 10, 10)).stored);
            let known = table.change(2, SHAPE, 100, charge(100, 10, 10)).stored;
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
            table.change(own(2), SHAPE, 0, |_| Some(900));
            let twin = Arc::clone(&table);
            let cutter = loom::thread::spawn(move || twin.cut(200));
            // As the limiter refunds by the new quota: within it, and then 50 less.
            table.change(own(2), SHAPE, 100, |state| Some(state.min(200) - 50));
            cutter.join().unwrap();
            assert_eq!(table.read(own(2)), 150);
        });
    }

    #[test]
    fn a_cut_leaves_a_slot_that_changes_hands_to_the_new_key() {
        explore(|| {
            let table = Arc::new(Table::for_peak(1));
            for (key, state) in [(2, 300), (3, 900), (4, 900), (5, 900)] {
                table.change(own(key), SHAPE, 0, |_| Some(state));
            }
            let twin = Arc::clone(&table);
            let cutter = loom::thread::spawn(move || twin.cut(200));
            let newcomer = table.change(own(6), SHAPE, 100, charge(100, 10, 10));
            cutter.join().unwrap();
            assert!(newcomer.stored);
            assert_eq!(table.read(own(6)), 110, "short enough not to be cut");
        });
    }
}
