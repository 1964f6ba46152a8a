//! The suite that every store has to pass: random histories, beside the pure model.

use std::{collections::HashMap, net::IpAddr, ops::AsyncFnMut};

use hardpoint_auth::lockout::Pace;
use hardpoint_auth::one_time::{Found, Put, Rate, Request, Slot, Taken, TokenRecord};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

const HOUR: u64 = 60 * 60 * 1_000;
const RECIPIENTS: [&str; 2] = ["alice@example.org", "{bob}"];
const TRIES: u32 = 2;

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    /// `tight`: by rates that count what the usual ones took as more than they allow.
    Admit {
        recipient: usize,
        network: Option<u8>,
        tight: bool,
    },
    Put {
        slot: u8,
        digest: u8,
        proof: u8,
        hours: u64,
        former: Option<u8>,
    },
    Find {
        slot: u8,
        digest: u8,
    },
    Take {
        slot: u8,
        digest: u8,
        proof: u8,
    },
    Guess {
        slot: u8,
        digest: u8,
        proof: u8,
    },
    Void(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (slot, digest, proof) = (0_u8..3, 0_u8..2, 0_u8..2);
    prop_oneof![
        1 => (HOUR / 4..2 * HOUR).prop_map(Step::Advance),
        3 => (0..RECIPIENTS.len(), prop::option::weighted(0.8, 0_u8..2), prop::bool::weighted(0.2))
            .prop_map(|(recipient, network, tight)| Step::Admit { recipient, network, tight }),
        4 => (slot.clone(), digest.clone(), proof.clone(), 1_u64..4, prop::option::weighted(0.2, slot.clone()))
            .prop_map(|(slot, digest, proof, hours, former)| Step::Put { slot, digest, proof, hours, former }),
        3 => (slot.clone(), digest.clone()).prop_map(|(slot, digest)| Step::Find { slot, digest }),
        3 => (slot.clone(), digest.clone(), proof.clone())
            .prop_map(|(slot, digest, proof)| Step::Take { slot, digest, proof }),
        10 => (slot.clone(), digest, proof)
            .prop_map(|(slot, digest, proof)| Step::Guess { slot, digest, proof }),
        1 => slot.prop_map(Step::Void),
    ]
}

#[derive(Default)]
struct Model {
    now: u64,
    records: HashMap<u8, TokenRecord>,
    recipients: HashMap<usize, Pace>,
    networks: HashMap<u8, Pace>,
}

fn name(slot: u8) -> Slot {
    [slot + 1; 16]
}

/// Runs `histories` random histories, each on the store that `make` returns. A store whose clock can
/// be moved comes with it; the others are only asked what does not depend on the time.
pub(crate) async fn check(
    histories: u32,
    mut make: impl AsyncFnMut() -> (TokenStore, Option<ManualClock>),
) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(step(), 1..80);
    let mut seen = HashMap::new();
    for number in 0..histories {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let (store, clock) = make().await;
        run(&store, clock.as_ref(), &steps, number, &mut seen).await;
    }
    // The histories reach every answer, or the suite would prove less than it claims.
    for answer in [
        "admitted",
        "capped",
        "found",
        "missing",
        "take Consumed",
        "take Unknown",
        "take Void",
        "guess Consumed",
        "guess Unknown",
        "guess Void",
    ] {
        assert!(seen.get(answer).is_some_and(|count| *count > 10), "{answer}: {seen:?}");
    }
}

async fn run(
    store: &TokenStore,
    clock: Option<&ManualClock>,
    steps: &[Step],
    number: u32,
    seen: &mut HashMap<String, u32>,
) {
    let rate = |interval, burst| {
        let burst = NonZeroU32::new(burst).unwrap();
        Rate::new(NonZeroU32::MIN, Duration::from_millis(interval)).burst(burst)
    };
    let usual = (rate(HOUR, 2), rate(HOUR, 3));
    let tight_rates = (rate(HOUR / 8, 1), rate(HOUR / 8, 2));
    let mut model = Model { now: 1_800_000_000_000, ..Model::default() };
    for (at, step) in steps.iter().enumerate() {
        let context = format!("history {number}, step {at}: {step:?}");
        let mut saw = |answer: String| *seen.entry(answer).or_default() += 1;
        match *step {
            Step::Advance(millis) => {
                if let Some(clock) = clock {
                    clock.advance(Duration::from_millis(millis));
                    model.now += millis;
                }
            }
            Step::Admit { recipient, network, tight } => {
                let (per_recipient, per_network) = if tight { tight_rates } else { usual };
                let request = Request {
                    purpose: RESET,
                    recipient: RECIPIENTS[recipient],
                    network: network.map(|last| IpAddr::from([203, 0, 113, last])),
                    per_recipient: &per_recipient,
                    per_network: &per_network,
                };
                let wait = store.admit(&request).await.unwrap();
                let own = model.recipients.entry(recipient).or_default();
                let mut others = Pace::default();
                let shared = match network {
                    Some(network) => model.networks.entry(network).or_default(),
                    None => &mut others,
                };
                let expected = match own.wait(&per_recipient, model.now) {
                    0 => shared.wait(&per_network, model.now),
                    wait => wait,
                };
                if expected == 0 {
                    own.take(&per_recipient, model.now);
                    shared.take(&per_network, model.now);
                }
                let millis = u64::try_from(wait.as_millis()).unwrap();
                let most = if clock.is_some() { 0 } else { 60_000 };
                assert!(millis.abs_diff(expected) <= most, "{context}: {millis} for {expected}");
                assert_eq!(millis == 0, expected == 0, "{context}");
                saw(if millis == 0 { "admitted" } else { "capped" }.to_owned());
            }
            Step::Put { slot, digest, proof, hours, former } => {
                let former: Vec<u8> = former.into_iter().filter(|former| *former != slot).collect();
                let formers: Vec<Slot> = former.iter().map(|former| name(*former)).collect();
                let (subject, data) = (format!("subject {at}"), [0xff, digest]);
                let put = Put {
                    purpose: RESET,
                    slot: &name(slot),
                    former: &formers,
                    digest: &[digest; 32],
                    proof: &[proof; 32],
                    subject: &subject,
                    data: &data,
                    lifetime: Duration::from_millis(hours * HOUR),
                };
                store.put(&put).await.unwrap();
                for former in former {
                    model.records.remove(&former);
                }
                let record = TokenRecord {
                    digest: [digest; 32],
                    proof: [proof; 32],
                    found: Found { subject, data: data.into() },
                    expires_at: model.now + hours * HOUR,
                    tries: 0,
                };
                model.records.insert(slot, record);
            }
            Step::Find { slot, digest } => {
                let found = store.find(&name(slot), &[digest; 32]).await.unwrap();
                let record = model.records.get(&slot);
                let record = record.filter(|record| record.is(&[digest; 32], model.now));
                assert_eq!(found, record.map(|record| record.found.clone()), "{context}");
                saw(if found.is_some() { "found" } else { "missing" }.to_owned());
            }
            Step::Take { slot, digest, proof } => {
                let taken = store.take(&name(slot), &[digest; 32], &[proof; 32]).await.unwrap();
                let take =
                    |record: &mut TokenRecord, now| record.take(&[digest; 32], &[proof; 32], now);
                assert_eq!(taken, decide(&mut model, slot, take), "{context}");
                saw(format!("take {taken:?}"));
            }
            Step::Guess { slot, digest, proof } => {
                let (digest, proof) = ([digest; 32], [proof; 32]);
                let taken = store.guess(&name(slot), &digest, &proof, TRIES).await.unwrap();
                let guess =
                    |record: &mut TokenRecord, now| record.guess(&digest, &proof, TRIES, now);
                assert_eq!(taken, decide(&mut model, slot, guess), "{context}");
                saw(format!("guess {taken:?}"));
            }
            Step::Void(slot) => {
                store.void(&name(slot)).await.unwrap();
                model.records.remove(&slot);
            }
        }
    }
}

fn decide(
    model: &mut Model,
    slot: u8,
    decide: impl FnOnce(&mut TokenRecord, u64) -> Taken,
) -> Taken {
    let now = model.now;
    let taken = model.records.get_mut(&slot).map_or(Taken::Unknown, |record| decide(record, now));
    if taken != Taken::Unknown {
        model.records.remove(&slot);
    }
    taken
}

#[tokio::test]
async fn memory_is_the_model() {
    check(500, async || {
        let clock = ManualClock::default();
        (InMemory::new().time(&clock).into(), Some(clock))
    })
    .await;
}
