//! The suite that every store has to pass: random histories, beside a model.

use std::{collections::HashMap, ops::AsyncFnMut, time::Duration};

use hardpoint_auth::api_key::{ApiKeyId, Placed, PutApiKey, Replaced};
use hardpoint_core::ManualClock;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const MOST: u32 = 3;
/// Some differ only in where the issuer ends, in whether there is one, or in letters that matter to servers.
const OWNERS: [ApiKeyOwner<'static>; 5] = [
    ApiKeyOwner::new("alice"),
    ApiKeyOwner::new("alice").issuer(""),
    ApiKeyOwner::new("alice").issuer("https://evil.example"),
    ApiKeyOwner::new("ice").issuer("al"),
    ApiKeyOwner::new("{b}\r\n*1 \0").issuer("https://id.example"),
];

#[derive(Clone, Debug)]
enum Step {
    Advance(u32),
    /// The key to replace need not be one of the owner.
    Put {
        owner: usize,
        hours: Option<u32>,
        old: Option<(usize, u32)>,
    },
    Find(usize),
    List(usize),
    RevokeAll(usize),
    /// The owner need not be the one of the key.
    Expire {
        owner: usize,
        key: usize,
        hours: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let owner = 0..OWNERS.len();
    prop_oneof![
        1 => (1_u32..3).prop_map(Step::Advance),
        4 => (owner.clone(), prop::option::of(1_u32..4), prop::option::weighted(0.4, (0_usize..8, 0_u32..4)))
            .prop_map(|(owner, hours, old)| Step::Put { owner, hours, old }),
        3 => (0_usize..8).prop_map(Step::Find),
        2 => owner.clone().prop_map(Step::List),
        1 => owner.clone().prop_map(Step::RevokeAll),
        4 => (owner, 0_usize..8, 0_u32..4)
            .prop_map(|(owner, key, hours)| Step::Expire { owner, key, hours }),
    ]
}

/// What the model knows of a key.
#[derive(Clone, Debug)]
struct Kept {
    owner: usize,
    number: u8,
    created: Duration,
    lifetime: Option<Duration>,
    ends: Option<Duration>,
}

#[derive(Default)]
struct Model {
    now: Duration,
    all: Vec<Kept>,
}

impl Model {
    fn is_alive(&self, key: &Kept) -> bool {
        key.ends.is_none_or(|ends| ends > self.now)
    }

    fn shorten(&mut self, key: usize, after: Duration) {
        let (at, ends) = (self.now + after, &mut self.all[key].ends);
        *ends = Some(ends.map_or(at, |ends| ends.min(at)));
    }

    fn alive(&self, owner: usize) -> Vec<&Kept> {
        self.all.iter().filter(|key| key.owner == owner && self.is_alive(key)).collect()
    }
}

fn id(number: u8) -> ApiKeyId {
    format!("key{number:013}").parse().unwrap()
}

/// Runs `histories` random histories, each on the store that `make` returns. A store whose clock can
/// be moved comes with it; the others are only asked what does not depend on the time.
pub(crate) async fn check(
    histories: u32,
    mut make: impl AsyncFnMut() -> (ApiKeyStore, Option<ManualClock>),
) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(step(), 1..60);
    let mut seen = HashMap::new();
    for number in 0..histories {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let (store, clock) = make().await;
        run(&store, clock.as_ref(), &steps, number, &mut seen).await;
    }
    // The histories reach every answer, or the suite would prove less than it claims.
    for answer in [
        "kept",
        "kept in place of another",
        "nothing to replace",
        "revoked with all others",
        "too many",
        "found",
        "missing",
        "listed",
        "ended",
        "shortened",
        "foreign",
    ] {
        assert!(seen.get(answer).is_some_and(|count| *count > 10), "{answer}: {seen:?}");
    }
}

async fn run(
    store: &ApiKeyStore,
    clock: Option<&ManualClock>,
    steps: &[Step],
    history: u32,
    seen: &mut HashMap<&'static str, u32>,
) {
    let mut model = Model::default();
    for (at, step) in steps.iter().enumerate() {
        let context = format!("history {history}, step {at}: {step:?}");
        let mut saw = |answer| *seen.entry(answer).or_default() += 1;
        match *step {
            Step::Advance(hours) => {
                if let Some(clock) = clock {
                    clock.advance(HOUR * hours);
                    model.now += HOUR * hours;
                }
            }
            Step::Put { owner, hours, old } => {
                let number = u8::try_from(model.all.len()).unwrap();
                let lifetime = hours.map(|hours| HOUR * hours);
                let name = format!("name {number} \u{e9}");
                let put = PutApiKey {
                    id: id(number),
                    digest: &[number; 32],
                    owner: OWNERS[owner],
                    name: &name,
                    scope: "a b",
                    lifetime,
                    max_keys: MOST,
                    replaces: old.map(|(key, hours)| Replaced {
                        id: id(u8::try_from(key).unwrap()),
                        overlap: HOUR * hours,
                    }),
                };
                let own = model.alive(owner);
                let has =
                    |(old, _): (usize, u32)| own.iter().any(|key| usize::from(key.number) == old);
                let expected = match old {
                    Some(old) if !has(old) => Placed::NothingToReplace,
                    _ if own.len() >= MOST as usize => Placed::TooMany,
                    _ => Placed::Kept,
                };
                assert_eq!(store.put(&put).await.unwrap(), expected, "{context}");
                saw(match (expected, old) {
                    (Placed::Kept, None) => "kept",
                    (Placed::Kept, Some(_)) => "kept in place of another",
                    (Placed::NothingToReplace, _) => "nothing to replace",
                    (Placed::TooMany, _) => "too many",
                });
                if let (Placed::Kept, Some((old, hours))) = (expected, old) {
                    model.shorten(old, HOUR * hours);
                }
                let ends = lifetime.map(|lifetime| model.now + lifetime);
                // A key that was not kept has an id that exists nowhere.
                let ends = if expected == Placed::Kept { ends } else { Some(Duration::ZERO) };
                model.all.push(Kept { owner, number, created: model.now, lifetime, ends });
            }
            Step::Find(key) => {
                let number = u8::try_from(key).unwrap();
                let found = store.find(id(number)).await.unwrap();
                let expected = model.all.get(key).filter(|key| model.is_alive(key));
                assert_eq!(found.is_some(), expected.is_some(), "{context}");
                if let (Some(found), Some(expected)) = (&found, expected) {
                    check_record(found, expected, &context);
                }
                saw(if expected.is_some() { "found" } else { "missing" });
            }
            Step::List(owner) => {
                let listed = store.list(OWNERS[owner]).await.unwrap();
                let mut expected = model.alive(owner);
                assert_eq!(listed.len(), expected.len(), "{context}");
                assert!(listed.is_sorted_by(|one, next| one.created >= next.created), "{context}");
                let mut listed = listed;
                listed.sort_by_key(|record| record.id);
                expected.sort_by_key(|key| key.number);
                for (record, expected) in listed.iter().zip(expected) {
                    check_record(record, expected, &context);
                    saw("listed");
                }
            }
            Step::RevokeAll(owner) => {
                let mut revoked = store.revoke_all(OWNERS[owner]).await.unwrap();
                let numbers: Vec<u8> = model.alive(owner).iter().map(|key| key.number).collect();
                let mut expected: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
                revoked.sort();
                expected.sort();
                assert_eq!(revoked, expected, "{context}");
                for number in numbers {
                    model.shorten(number.into(), Duration::ZERO);
                    saw("revoked with all others");
                }
            }
            Step::Expire { owner, key, hours } => {
                let number = u8::try_from(key).unwrap();
                let after = HOUR * hours;
                let expired = store.expire_after(OWNERS[owner], id(number), after).await.unwrap();
                let kept = model.all.get(key).filter(|key| model.is_alive(key)).cloned();
                let is_own = kept.as_ref().is_some_and(|kept| kept.owner == owner);
                assert_eq!(expired, is_own, "{context}");
                match (kept, is_own) {
                    (Some(_), true) => {
                        model.shorten(key, after);
                        saw(if hours == 0 { "ended" } else { "shortened" });
                    }
                    (Some(_), false) => saw("foreign"),
                    (None, _) => {}
                }
            }
        }
    }
}

fn check_record(record: &ApiKeyRecord, expected: &Kept, context: &str) {
    assert_eq!(record.id, id(expected.number), "{context}");
    assert_eq!(record.digest, [expected.number; 32], "{context}");
    assert_eq!(record.owner(), OWNERS[expected.owner], "{context}");
    assert_eq!(record.lifetime, expected.lifetime, "{context}");
    assert_eq!(*record.name, *format!("name {} \u{e9}", expected.number), "{context}");
    assert_eq!(
        (&*record.scope, record.expires.is_some()),
        ("a b", expected.ends.is_some()),
        "{context}"
    );
    // The clocks of servers go on during a history, which takes less than a minute.
    if let (Some(expires), Some(ends)) = (record.expires, expected.ends) {
        let (life, wanted) = (expires - record.created, ends - expected.created);
        assert!(life.abs_diff(wanted) <= Duration::from_secs(60), "{life:?} {wanted:?} {context}");
    }
}

#[tokio::test]
async fn a_store_in_memory_is_the_model() {
    let histories = if option_env!("HARDPOINT_SOAK").is_some() { 20_000 } else { 500 };
    check(histories, async || {
        let clock = ManualClock::default();
        let store = InMemory::new().time(&clock).into();
        (store, Some(clock))
    })
    .await;
}
