use proptest::prelude::*;

use super::*;

const FAILED: Class = Class::Failed;

fn at(millis: u64) -> Mono {
    Mono::from_nanos(3_600_000_000_000 + millis * 1_000_000)
}

/// Sends a withdrawal if the budget allows it.
fn retry(budget: &RetryBudget, now: Mono) -> bool {
    budget.withdraw(FAILED, now).map(|mut withdrawal| withdrawal.sent()).is_some()
}

/// The retries of `calls` calls that all fail, each of which tries until it is denied.
fn retries_of(budget: &RetryBudget, calls: u32, attempts: u32) -> u32 {
    let mut retries = 0;
    for _ in 0..calls {
        budget.deposit();
        retries += (1..attempts).take_while(|_| retry(budget, at(0))).map(|_| 1).sum::<u32>();
    }
    retries
}

#[test]
fn the_ratio_is_exact() {
    // tower's budget allows as many retries as calls at 0.6.
    for ratio in [0.05, 0.1, 0.2, 0.33, 0.6, 1.0, 2.0] {
        let budget = RetryBudget::ratio(ratio).reserve_per_second(0);
        let retries = retries_of(&budget, 100_000, 4);
        let measured = f64::from(retries) / 100_000.0;
        println!("ratio {ratio}: {measured}");
        assert!((measured - ratio).abs() < 0.000_1, "{ratio}: {measured}");
    }
}

#[test]
fn the_ratio_is_exact_for_many_threads() {
    let budget = RetryBudget::ratio(0.33).reserve_per_second(0);
    let retries: u32 = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| retries_of(&budget, 25_000, 3)));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = u32::try_from(budget.stored()).unwrap();
    assert!((32_999..=33_000).contains(&(retries + left)), "{retries} and {left} left");
}

#[test]
fn calls_earn_at_most_the_burst() {
    let budget = RetryBudget::ratio(1.0).reserve_per_second(0).burst(5);
    for _ in 0..1_000 {
        budget.deposit();
    }
    assert_eq!(budget.stored(), 5);
    assert_eq!((0..1_000).filter(|_| retry(&budget, at(0))).count(), 5);
    assert!(budget.is_empty(at(0)));
}

#[test]
fn the_reserve_allows_its_number_a_second() {
    let budget = RetryBudget::ratio(0.0).reserve_per_second(3);
    assert_eq!((0..10).filter(|_| retry(&budget, at(0))).count(), 3, "at once");
    assert!(budget.is_empty(at(0)));
    let tenth_seconds = (1..=100).map(|tenth| at(tenth * 100));
    let over_ten_seconds = tenth_seconds.filter(|&now| retry(&budget, now)).count();
    assert!((29..=30).contains(&over_ten_seconds), "{over_ten_seconds}");
}

#[test]
fn a_withdrawal_that_was_not_sent_returns() {
    for budget in [RetryBudget::ratio(0.0).reserve_per_second(1), RetryBudget::ratio(1.0).burst(1)]
    {
        budget.deposit();
        while retry(&budget, at(0)) {}
        assert!(budget.is_empty(at(0)));
        let full = at(60_000);
        budget.deposit();
        for _ in 0..10 {
            let withdrawal = budget.withdraw(FAILED, full);
            assert!(withdrawal.is_some());
        }
        let mut withdrawal = budget.withdraw(FAILED, full).unwrap();
        withdrawal.sent();
        withdrawal.refund();
        let mut withdrawal = budget.withdraw(FAILED, full).unwrap();
        withdrawal.sent();
        drop(withdrawal);
    }
}

#[test]
fn the_quota_of_aws_counts_successes() {
    let budget = RetryBudget::aws();
    budget.deposit();
    let withdrawals: Vec<_> = std::iter::from_fn(|| budget.withdraw(FAILED, at(0))).collect();
    assert_eq!(withdrawals.len(), 35, "500 / 14");
    let mut withdrawals = withdrawals.into_iter();
    for mut withdrawal in withdrawals.by_ref().take(5) {
        withdrawal.sent();
        drop(withdrawal);
    }
    let mut succeeded = withdrawals.next().unwrap();
    succeeded.sent();
    budget.succeeded(Some(succeeded));
    drop(withdrawals);
    assert_eq!(budget.stored(), (500 - 5 * 14) / 14);
    for _ in 0..1_000 {
        budget.succeeded(None);
    }
    let throttled = std::iter::from_fn(|| budget.withdraw(Class::Throttled, at(0)));
    assert_eq!(throttled.map(|mut withdrawal| withdrawal.sent()).count(), 100, "500 / 5");
}

#[test]
fn an_unlimited_budget_is_never_empty() {
    let budget = RetryBudget::unlimited();
    assert!((0..1_000).all(|_| retry(&budget, at(0))));
    assert!(!budget.is_empty(at(0)));
}

#[test]
fn ratios_that_never_work_are_named() {
    for (ratio, valid) in
        [(0.0, true), (10.0, true), (-0.1, false), (f64::NAN, false), (f64::INFINITY, false)]
    {
        let mut mistakes = Mistakes::default();
        RetryBudget::ratio(ratio).check("retry.budget", &mut mistakes);
        assert_eq!(mistakes.into_result().is_ok(), valid, "{ratio}");
    }
}

proptest! {
    /// The budget has earned every retry that was sent, for any history of withdrawals.
    #[test]
    fn no_history_sends_more_than_it_earned(
        ratio in 0.0..2.0_f64,
        reserve in 0..5_u32,
        burst in 0..20_u32,
        steps in proptest::collection::vec((0..4_u8, 0..400_u64), 1..300),
    ) {
        let budget = RetryBudget::ratio(ratio).reserve_per_second(reserve).burst(burst);
        let (mut now, mut calls, mut sent, mut held) = (0, 0_u32, 0_u32, Vec::new());
        for (step, millis) in steps {
            now += millis;
            match step {
                0 => {
                    budget.deposit();
                    calls += 1;
                }
                1 => held.extend(budget.withdraw(FAILED, at(now))),
                2 => drop(held.pop()),
                _ => {
                    if let Some(mut withdrawal) = held.pop() {
                        withdrawal.sent();
                        sent += 1;
                    }
                }
            }
        }
        let earned = ratio * f64::from(calls) + 0.001;
        let reserved = f64::from(reserve) * (now as f64 / 1_000.0 + 1.0);
        prop_assert!(f64::from(sent) <= earned + reserved, "{sent} of {earned} and {reserved}");
    }
}
