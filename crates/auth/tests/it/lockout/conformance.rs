//! The suite that every store has to pass: random histories, beside the pure model.

use std::{collections::HashMap, net::IpAddr, ops::AsyncFnMut};

use hardpoint_auth::lockout::{Attempter, Denied, LaneState, Lanes, Pace, Rate, Settled, Ticket};
use hardpoint_core::event::AttemptLane;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

const ACCOUNTS: [&str; 3] = ["alice", "bob", "{carol}"];
const NETWORKS: [[u8; 4]; 2] = [[203, 0, 113, 1], [203, 0, 113, 2]];
const HOUR: u64 = 60 * 60 * 1_000;

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Reserve { account: usize, device: Option<u8>, network: Option<usize>, jitter: u16 },
    Settle { attempt: prop::sample::Index, settled: Settled },
    Unlock(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let account = 0..ACCOUNTS.len();
    let settled = prop_oneof![
        8 => Just(Settled::Failed),
        1 => Just(Settled::Succeeded),
        2 => Just(Settled::Unverified),
    ];
    let advance = prop_oneof![0_u64..100, HOUR / 2..3 * HOUR, 20 * HOUR..60 * HOUR];
    prop_oneof![
        3 => advance.prop_map(Step::Advance),
        20 => (account.clone(), prop::option::weighted(0.3, 0_u8..2), prop::option::of(0..NETWORKS.len()), 0_u16..1_024)
            .prop_map(|(account, device, network, jitter)| Step::Reserve { account, device, network, jitter }),
        15 => (any::<prop::sample::Index>(), settled)
            .prop_map(|(attempt, settled)| Step::Settle { attempt, settled }),
        1 => account.prop_map(Step::Unlock),
    ]
}

/// Small limits whose times are hours, so that a server which takes milliseconds for a history gives
/// the same answers as one whose clock does not move. Every other history has no delays, so that it
/// reaches the hard stop without them.
fn limits(number: u32) -> Limits {
    let hours = |hours: u64| Duration::from_millis(hours * HOUR);
    let first = hours((number % 2).into());
    let lane = |free, stop| {
        let lane = LaneLimits::account().free_attempts(nonzero(free)).hard_stop(nonzero(stop));
        lane.delays(first, hours(4)).forget_after(hours(48)).settle_within(hours(2))
    };
    let limits = Limits::new().account(lane(3, 6)).device(lane(2, 4)).devices(lane(3, 6));
    if number % 4 > 1 {
        return limits.network(None).global(None);
    }
    limits
        .network(Some(Rate::new(nonzero(1), hours(1)).burst(nonzero(3))))
        .global(Some(Rate::new(nonzero(1), hours(1)).burst(nonzero(9))))
}

#[derive(Default)]
struct Model {
    accounts: HashMap<usize, LaneState>,
    devices: HashMap<(usize, u8), LaneState>,
    all_devices: HashMap<usize, LaneState>,
    networks: HashMap<usize, Pace>,
    global: Pace,
}

impl Model {
    fn with<T>(
        &mut self,
        (account, device, network): (usize, Option<u8>, Option<usize>),
        work: impl FnOnce(&mut Lanes) -> T,
    ) -> T {
        let mut lanes = Lanes {
            account: self.accounts.get(&account).copied().unwrap_or_default(),
            device: device
                .map(|device| self.devices.get(&(account, device)).copied().unwrap_or_default()),
            devices: self.all_devices.get(&account).copied().unwrap_or_default(),
            network: network
                .map(|network| self.networks.get(&network).copied().unwrap_or_default()),
            global: self.global,
        };
        let result = work(&mut lanes);
        self.accounts.insert(account, lanes.account);
        self.all_devices.insert(account, lanes.devices);
        if let (Some(device), Some(lane)) = (device, lanes.device) {
            self.devices.insert((account, device), lane);
        }
        if let (Some(network), Some(pace)) = (network, lanes.network) {
            self.networks.insert(network, pace);
        }
        self.global = lanes.global;
        result
    }
}

/// Runs `histories` random histories, each on the store that `make` returns. A store whose clock can
/// be moved comes with it; the others are only asked what does not depend on the time.
pub(crate) async fn check(
    histories: u32,
    mut make: impl AsyncFnMut() -> (AttemptStore, Option<ManualClock>),
) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(step(), 1..120);
    let mut seen = HashMap::new();
    for number in 0..histories {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let (store, clock) = make().await;
        run(&store, clock.as_ref(), &steps, number, &mut seen).await;
    }
    // The histories reach every answer, or the suite would prove less than it claims.
    for answer in [
        "account",
        "device",
        "wait account",
        "wait device",
        "wait network",
        "wait global",
        "locked account",
        "unlocked",
    ] {
        assert!(seen.get(answer).is_some_and(|count| *count > 10), "{answer}: {seen:?}");
    }
}

async fn run(
    store: &AttemptStore,
    clock: Option<&ManualClock>,
    steps: &[Step],
    number: u32,
    seen: &mut HashMap<String, u32>,
) {
    let (limits, mut model, mut open) = (limits(number), Model::default(), Vec::new());
    // The clock of the store, as far as an answer has shown it.
    let mut now = clock.map_or(0, unix);
    for (at, step) in steps.iter().enumerate() {
        let context = format!("history {number}, step {at}: {step:?}");
        match step {
            Step::Advance(millis) => {
                if let Some(clock) = clock {
                    clock.advance(Duration::from_millis(*millis));
                    now = unix(clock);
                }
            }
            Step::Reserve { account, device, network, jitter } => {
                let id = device.map(|device| device_id(*account, device));
                let by = attempter(*account, id.as_ref(), *network);
                let reserved = store.reserve(by, &limits, *jitter).await.unwrap();
                if let Ok(ticket) = reserved {
                    now = ticket.at;
                }
                let who = (*account, *device, *network);
                let expected = model.with(who, |lanes| lanes.reserve(&limits, now, *jitter));
                let name = same(reserved, expected, clock.is_some(), &context);
                *seen.entry(name).or_default() += 1;
                if let Ok(ticket) = reserved {
                    open.push((who, ticket));
                }
            }
            Step::Settle { attempt, settled } => {
                if open.is_empty() {
                    continue;
                }
                let (who, ticket) = open.swap_remove(attempt.index(open.len()));
                let id = who.1.map(|device| device_id(who.0, device));
                let by = attempter(who.0, id.as_ref(), who.2);
                store.settle(by, &limits, ticket, *settled).await.unwrap();
                model.with(who, |lanes| lanes.settle(&limits, now, ticket, *settled));
            }
            Step::Unlock(account) => {
                let unlocked = store.unlock(ACCOUNTS[*account]).await.unwrap();
                let lanes = [&mut model.accounts, &mut model.all_devices];
                let lanes = lanes.map(|lanes| lanes.remove(account).unwrap_or_default());
                let is_any = lanes.iter().any(|lane| lane.failures + lane.open > 0);
                assert_eq!(unlocked, is_any, "{context}");
                if unlocked {
                    *seen.entry("unlocked".to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// Compares two answers, and names them.
fn same(
    reserved: Result<Ticket, Denied>,
    expected: Result<Ticket, Denied>,
    is_exact: bool,
    context: &str,
) -> String {
    match (reserved, expected) {
        (Ok(Ticket { lane, .. }), Ok(_)) => {
            assert_eq!(reserved, expected, "{context}");
            lane.as_str().to_owned()
        }
        (Err(found), Err(wanted)) => {
            assert_eq!((found.lane, found.is_busy), (wanted.lane, wanted.is_busy), "{context}");
            let (Some(wait), Some(expected)) = (found.wait, wanted.wait) else {
                assert_eq!(found, wanted, "{context}");
                return format!("locked {}", lane_name(found.lane));
            };
            let most = if is_exact { 0 } else { 60_000 };
            assert!(wait.abs_diff(expected) <= most, "{context}: {wait} for {expected}");
            format!("wait {}", lane_name(found.lane))
        }
        _ => panic!("{context}: {reserved:?} for {expected:?}"),
    }
}

fn lane_name(lane: AttemptLane) -> &'static str {
    lane.as_str()
}

fn attempter(account: usize, device: Option<&[u8; 16]>, network: Option<usize>) -> Attempter<'_> {
    let network = network.map(|network| IpAddr::from(NETWORKS[network]));
    Attempter { account: ACCOUNTS[account], device, network }
}

fn device_id(account: usize, device: u8) -> [u8; 16] {
    let mut id = [device; 16];
    id[0] = u8::try_from(account).unwrap();
    id
}

fn unix(clock: &ManualClock) -> u64 {
    use hardpoint_core::Clock;

    u64::try_from(clock.unix().as_millis()).unwrap()
}

#[tokio::test]
async fn memory_is_the_model() {
    check(100, async || {
        let clock = ManualClock::default();
        (InMemory::new().time(&clock).into(), Some(clock))
    })
    .await;
}
