//! Two numbers against two ideals.

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::gcra::remaining;

const SECOND: u64 = 1_000_000_000;
/// Not at the origin, where an epoch begins.
const START: u64 = 7_000 * SECOND + 123;

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Take(u32),
    /// Holds the first number of cells; the second is charged when it settles.
    Hold(u32, u32),
    /// Settles one of the open holds.
    Settle(usize),
    SetQuota(u64, u32),
    Refund(u32),
    Penalize(u32),
    Reset,
}

fn step(controls: bool) -> BoxedStrategy<Step> {
    let requests = prop_oneof![
        // A clock that stands is as likely as one that moves.
        3 => prop_oneof![Just(0), 1_u64..20, 20_u64..200].prop_map(Step::Wait),
        3 => (0_u32..4).prop_map(Step::Take),
        5 => (1_u32..4, 0_u32..5).prop_map(|(cost, actual)| Step::Hold(cost, actual)),
        5 => any::<usize>().prop_map(Step::Settle),
    ];
    if !controls {
        return requests.boxed();
    }
    prop_oneof![
        12 => requests,
        2 => (1_u64..40, 1_u32..9).prop_map(|(interval, burst)| Step::SetQuota(interval, burst)),
        1 => (1_u32..4).prop_map(Step::Refund),
        1 => (1_u32..4).prop_map(Step::Penalize),
        1 => Just(Step::Reset),
    ]
    .boxed()
}

/// 200 000 histories in a soak.
fn histories() -> Config {
    let soak = std::env::var_os("HARDPOINT_SOAK").is_some();
    Config { cases: if soak { 200_000 } else { 20_000 }, ..Config::default() }
}

fn quota(interval: u64, burst: u32) -> Quota {
    Quota::new(1, Duration::from_secs(interval)).unwrap().burst(burst)
}

struct Open {
    hold: Hold,
    quota: Quota,
    cost: u32,
    actual: u32,
    begun: u64,
}

/// A bucket with foresight: it takes from a hold only what will be charged, when the hold begins.
#[derive(Default)]
struct Ideal {
    debt: u64,
}

impl Ideal {
    fn add(&mut self, quota: Quota, cells: u32) {
        self.debt = (self.debt + price(quota, cells)).min(quota.tolerance());
    }
}

/// The bucket under test, the ideal, and a bucket that is charged when holds settle.
struct World {
    now: u64,
    quota: Quota,
    bucket: Holding,
    ideal: Ideal,
    settled: State,
    open: Vec<Open>,
    generations: u32,
    /// Whether a rule that is stricter than the third bucket has come in: a time-out, a changed
    /// quota or a reset.
    stricter: bool,
}

impl World {
    fn new() -> Self {
        Self {
            now: START,
            quota: quota(10, 4),
            bucket: Holding::new(0),
            ideal: Ideal::default(),
            settled: State::FULL,
            open: Vec::new(),
            generations: 0,
            stricter: false,
        }
    }

    fn at(&self) -> Mono {
        Mono::from_nanos(self.now)
    }

    fn settled_debt(&self) -> u64 {
        self.settled.debt(self.quota, self.at())
    }

    fn charge_settled(&mut self, quota: Quota, cells: u32) {
        self.settled = after(self.at(), force(quota, self.settled.debt(quota, self.at()), cells));
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let (quota, at) = (self.quota, self.at());
        match step {
            Step::Wait(seconds) => {
                self.now += seconds * SECOND;
                self.ideal.debt = self.ideal.debt.saturating_sub(seconds * SECOND);
            }
            Step::Take(cost) => {
                let (_, fits) = self.bucket.take(quota, at, cost);
                if fits {
                    self.admitted(cost)?;
                    self.charge_settled(quota, cost);
                }
            }
            Step::Hold(cost, actual) => {
                let (_, hold) = self.bucket.hold(quota, at, cost);
                if let Some(hold) = hold {
                    self.admitted(actual.min(cost))?;
                    self.open.push(Open { hold, quota, cost, actual, begun: self.now });
                }
            }
            Step::Settle(index) if !self.open.is_empty() => {
                let hold = self.open.swap_remove(index % self.open.len());
                self.settle(&hold);
            }
            Step::Settle(_) => {}
            Step::SetQuota(interval, burst) => {
                self.quota = self::quota(interval, burst);
                self.bucket.cut(self.quota, at);
                self.ideal.debt = self.ideal.debt.min(self.quota.tolerance());
                self.stricter = true;
            }
            Step::Refund(cells) => {
                self.bucket.refund(quota, at, cells);
                self.ideal.debt = refund(quota, self.ideal.debt, cells);
                self.settled = after(at, refund(quota, self.settled_debt(), cells));
            }
            Step::Penalize(cells) => {
                self.bucket.force(quota, at, cells);
                self.ideal.add(quota, cells);
                self.charge_settled(quota, cells);
            }
            Step::Reset => {
                self.generations += 1;
                self.bucket = Holding::new(self.generations);
                self.ideal.debt = 0;
                self.settled = State::FULL;
                self.stricter = true;
            }
        }
        self.compare()
    }

    /// The limiter charges a hold in full if the policy's quota has changed since it began.
    fn settle(&mut self, hold: &Open) {
        let actual =
            if hold.quota == self.quota { hold.actual } else { hold.actual.max(hold.cost) };
        self.stricter |= self.now - hold.begun >= EPOCH;
        self.bucket.settle(self.quota, self.at(), hold.hold, price(hold.quota, actual));
        let extra = price(hold.quota, hold.actual.saturating_sub(hold.cost));
        self.ideal.debt = (self.ideal.debt + extra).min(self.quota.tolerance());
        self.charge_settled(hold.quota, hold.actual);
    }

    fn admitted(&mut self, charged: u32) -> Result<(), TestCaseError> {
        self.ideal.debt += price(self.quota, charged);
        prop_assert!(self.ideal.debt <= self.quota.tolerance(), "more than the burst was let in");
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let debt = self.bucket.debt(self.quota, self.at());
        prop_assert!(debt >= self.ideal.debt.min(self.quota.tolerance()), "less than the ideal");
        let waiting = self.open.iter().any(|hold| self.now - hold.begun >= EPOCH);
        if !self.stricter && !waiting {
            let held: u64 = self.open.iter().map(|hold| price(hold.quota, hold.cost)).sum();
            let owed = (self.settled_debt() + held).min(self.quota.tolerance());
            prop_assert_eq!(debt, owed, "not what was settled and is held");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(histories())]

    /// In any order of takes, holds, settlements, refunds, penalties, resets and changes, the cell
    /// admits nothing that a bucket with foresight would refuse.
    #[test]
    fn nothing_is_admitted_beyond_the_ideal(
        steps in proptest::collection::vec(step(true), 1..40),
    ) {
        let mut world = World::new();
        for one in steps {
            world.step(one)?;
        }
    }

    /// Without time-outs and changes, a bucket owes exactly what was charged, from the time when
    /// that was settled, and what is held: an uncharged hold leaves no trace.
    #[test]
    fn an_uncharged_hold_leaves_no_trace(
        steps in proptest::collection::vec(step(false), 1..40),
    ) {
        let mut world = World::new();
        for one in steps {
            world.step(one)?;
        }
    }
}

#[test]
fn a_hold_that_is_never_settled_becomes_charged_after_one_to_two_minutes() {
    let quota = quota(600, 2);
    let mut bucket = Holding::new(0);
    let at = |seconds: u64| Mono::from_nanos(START + seconds * SECOND);
    let (_, hold) = bucket.hold(quota, at(0), 2);
    // Held cells do not replenish.
    assert_eq!(remaining(quota, bucket.debt(quota, at(59))), 0);
    // Charged cells do, from the time-out on: within the first twenty minutes and two more.
    assert_eq!(remaining(quota, bucket.debt(quota, at(600))), 0);
    assert_eq!(remaining(quota, bucket.debt(quota, at(720))), 1);
    assert_eq!(remaining(quota, bucket.debt(quota, at(1_320))), 2);
    // Settling it afterwards gives nothing back a second time, and charges nothing twice.
    bucket.settle(quota, at(720), hold.unwrap(), 0);
    assert_eq!(remaining(quota, bucket.debt(quota, at(720))), 1);
}

#[test]
fn a_hold_from_before_a_reset_is_charged_in_full() {
    let quota = quota(600, 3);
    let at = Mono::from_nanos(START);
    let mut bucket = Holding::new(0);
    let (_, hold) = bucket.hold(quota, at, 2);
    bucket = Holding::new(1);
    assert_eq!(remaining(quota, bucket.debt(quota, at)), 3);
    bucket.settle(quota, at, hold.unwrap(), 0);
    assert_eq!(remaining(quota, bucket.debt(quota, at)), 1);
}

#[test]
fn more_than_was_held_is_taken_whether_or_not_it_fits() {
    let quota = quota(600, 5);
    let at = Mono::from_nanos(START);
    let mut bucket = Holding::new(0);
    let (_, hold) = bucket.hold(quota, at, 2);
    bucket.settle(quota, at, hold.unwrap(), price(quota, 400));
    assert_eq!(remaining(quota, bucket.debt(quota, at)), 0);
}
