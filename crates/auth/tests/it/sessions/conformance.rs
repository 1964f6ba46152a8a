//! The suite that every store has to pass: random histories, beside the pure model.
//!
//! `examples/sessions-postgres` includes this file, so it uses only public items.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    ops::AsyncFnMut,
    time::Duration,
};

use hardpoint_auth::{
    SessionStore,
    session::{
        AfterGrace, FamilyState, Opening, Presentation, Presented, Revoke, Rotation, SessionClient,
        SessionId, Transition, Which,
    },
};
use hardpoint_core::ManualClock;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ACCESS: Duration = Duration::from_secs(900);
const SUBJECTS: [&str; 3] = ["alice", "bob", "{carol}"];

/// What a history does. Sessions are named by the order in which they were opened.
#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    List(usize),
    Open { subject: usize, replaces: Option<prop::sample::Index> },
    Present { session: prop::sample::Index, back: u64, proof: u8 },
    Revoke { subject: usize, session: prop::sample::Index, which: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let (subject, session) = (0..SUBJECTS.len(), any::<prop::sample::Index>());
    prop_oneof![
        2 => prop_oneof![1_u64..100, 9_000_u64..11_000].prop_map(Step::Advance),
        1 => subject.clone().prop_map(Step::List),
        3 => (subject.clone(), prop::option::weighted(0.2, session.clone()))
            .prop_map(|(subject, replaces)| Step::Open { subject, replaces }),
        12 => (session.clone(), prop_oneof![6 => Just(0_u64), 3 => Just(1), 1 => 2_u64..4, 1 => Just(u64::MAX)], prop_oneof![15 => Just(0_u8), 1 => Just(1)])
            .prop_map(|(session, back, proof)| Step::Present { session, back, proof }),
        1 => (subject, session, 0_u8..3)
            .prop_map(|(subject, session, which)| Step::Revoke { subject, session, which }),
    ]
}

fn rotation() -> impl Strategy<Value = Rotation> {
    let after = prop_oneof![
        Just(AfterGrace::Strict),
        (1_u32..3).prop_map(|n| AfterGrace::BranchKill { per_day: NonZeroU32::new(n).unwrap() }),
    ];
    (prop_oneof![Just(0), Just(60)], after).prop_map(|(grace, after_grace)| Rotation {
        grace: Duration::from_secs(grace),
        after_grace,
        ..Rotation::default()
    })
}

/// The store that all others are compared with: a map and the pure transition.
#[derive(Default)]
struct Model {
    now: u64,
    families: HashMap<SessionId, Family>,
    epochs: HashMap<&'static str, u64>,
}

#[derive(Clone)]
struct Family {
    state: FamilyState,
    subject: &'static str,
}

impl Model {
    fn end(&mut self, subject: &str, which: impl Fn(&SessionId) -> bool) -> u32 {
        let is_meant = |(id, family): (&SessionId, &Family)| {
            (family.subject == subject && which(id)).then_some(*id)
        };
        let ended: Vec<_> = self.families.iter().filter_map(is_meant).collect();
        for id in &ended {
            self.families.remove(id);
        }
        u32::try_from(ended.len()).unwrap()
    }

    fn list(&self, subject: &str) -> HashSet<SessionId> {
        let own = self.families.iter().filter(|(_, family)| family.subject == subject);
        own.map(|(id, _)| *id).collect()
    }
}

/// What is compared of an answer.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted(Transition, u64, u32),
    Reused(u64, u64),
    RolledBack,
    Unknown,
}

impl From<Presented> for Answer {
    fn from(presented: Presented) -> Self {
        match presented {
            Presented::Accepted(a) => Self::Accepted(a.transition, a.generation, a.key_id),
            Presented::Reused(reuse) => Self::Reused(reuse.presented, reuse.current),
            Presented::RolledBack => Self::RolledBack,
            Presented::Unknown => Self::Unknown,
        }
    }
}

/// Runs `histories` random histories, each on the store that `make` returns. A store whose clock
/// can be moved comes with it; the others are only asked what does not depend on the time.
pub(crate) async fn check(
    histories: u32,
    mut make: impl AsyncFnMut() -> (SessionStore, Option<ManualClock>),
) {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = (rotation(), prop::collection::vec(step(), 1..80));
    let mut seen = HashMap::new();
    for number in 0..histories {
        let (rotation, steps) = strategy.new_tree(&mut runner).unwrap().current();
        let (store, clock) = make().await;
        run(&store, clock.as_ref(), rotation, &steps, number, &mut seen).await;
    }
    // The histories reach every answer, or the suite would prove less than it claims.
    for transition in ["Rotated", "Replayed", "Forgiven", "Reused", "RolledBack", "Unknown"] {
        assert!(seen.get(transition).is_some_and(|count| *count > 10), "{transition}: {seen:?}");
    }
}

async fn run(
    store: &SessionStore,
    clock: Option<&ManualClock>,
    rotation: Rotation,
    steps: &[Step],
    number: u32,
    seen: &mut HashMap<&'static str, u32>,
) {
    let (mut model, client, mut ids) = (Model::default(), SessionClient::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        let context = format!("history {number}, step {at}: {step:?}, {rotation:?}");
        match step {
            Step::Advance(millis) => {
                if let Some(clock) = clock {
                    clock.advance(Duration::from_millis(*millis));
                    model.now += millis;
                }
            }
            Step::List(subject) => {
                let listed = store.list(SUBJECTS[*subject]).await.unwrap();
                assert!(listed.is_sorted_by(|a, b| a.created >= b.created), "{context}");
                let listed: HashSet<_> = listed.iter().map(|session| session.id).collect();
                assert_eq!(listed, model.list(SUBJECTS[*subject]), "{context}");
            }
            Step::Open { subject, replaces } => {
                let subject = SUBJECTS[*subject];
                let mut id = [0; 16];
                id[..4].copy_from_slice(&u32::try_from(ids.len()).unwrap().to_be_bytes());
                id[4..8].copy_from_slice(&number.to_be_bytes());
                let id = SessionId::from_bytes(id);
                let replaces = replaces.as_ref().filter(|_| !ids.is_empty()).map(|i| *i.get(&ids));
                let opening = Opening {
                    session: id,
                    subject,
                    scope: "a b",
                    method: "password",
                    client: &client,
                    proof: [0; 16],
                    key_id: 7,
                    rotation,
                    absolute: 90 * DAY,
                    max_sessions: NonZeroU32::new(100).unwrap(),
                    replaces,
                    access: ACCESS,
                };
                let opened = store.open(&opening).await.unwrap();
                if let Some(replaced) = replaces {
                    model.end(subject, |id| *id == replaced);
                }
                let state = FamilyState::new(7, model.now, 90 * DAY, &rotation);
                model.families.insert(id, Family { state, subject });
                let epoch = *model.epochs.entry(subject).or_insert(opened.epoch);
                assert_eq!(opened.epoch, epoch, "{context}");
                ids.push(id);
            }
            Step::Present { session, back, proof } => {
                if ids.is_empty() {
                    continue;
                }
                let session = *session.get(&ids);
                let known = model.families.get(&session);
                let current = known.map_or(1, |family| family.state.generation);
                // u64::MAX is one more than the current generation.
                let generation = current.saturating_sub(*back).max(1);
                let generation = if *back == u64::MAX { current + 1 } else { generation };
                let presentation = Presentation {
                    session,
                    generation,
                    proof: [*proof; 16],
                    key_id: u32::try_from(at).unwrap(),
                    client: &client,
                    rotation,
                    access: ACCESS,
                };
                let answer: Answer = store.present(&presentation).await.unwrap().into();
                let key_id = presentation.key_id;
                let expected = match model.families.get_mut(&session).filter(|_| *proof == 0) {
                    None => Answer::Unknown,
                    Some(family) => {
                        let transition =
                            family.state.present(generation, key_id, model.now, &rotation);
                        let FamilyState { generation: next, key_id, .. } = family.state;
                        match transition {
                            Transition::Expired => Answer::Unknown,
                            Transition::RolledBack => Answer::RolledBack,
                            Transition::Reused => Answer::Reused(generation, current),
                            accepted => Answer::Accepted(accepted, next, key_id),
                        }
                    }
                };
                assert_eq!(answer, expected, "{context}");
                let name = match answer {
                    Answer::Accepted(Transition::Rotated, ..) => "Rotated",
                    Answer::Accepted(Transition::Replayed, ..) => "Replayed",
                    Answer::Accepted(..) => "Forgiven",
                    Answer::Reused(..) => "Reused",
                    Answer::RolledBack => "RolledBack",
                    Answer::Unknown => "Unknown",
                };
                *seen.entry(name).or_default() += 1;
                if let Answer::Reused(..) = answer {
                    model.families.remove(&session);
                }
            }
            Step::Revoke { subject, session, which } => {
                let subject = SUBJECTS[*subject];
                let Some(session) = (!ids.is_empty()).then(|| *session.get(&ids)) else { continue };
                let which =
                    [Which::All, Which::AllBut(session), Which::One(session)][usize::from(*which)];
                let revoke = Revoke { subject, which, access: ACCESS, absolute: 90 * DAY };
                let ended = store.revoke(&revoke).await.unwrap();
                let expected = match which {
                    Which::All => model.end(subject, |_| true),
                    Which::AllBut(kept) => model.end(subject, |id| *id != kept),
                    Which::One(one) => model.end(subject, |id| *id == one),
                };
                assert_eq!(ended, expected, "{context}");
                if which == Which::All {
                    // The next log-in shows the new epoch, which must be larger.
                    let former = model.epochs.get(subject).copied().unwrap_or_default();
                    let epoch = epoch_of(store, subject, rotation, number, at).await;
                    assert!(epoch > former, "{context}: {epoch} after {former}");
                    model.epochs.insert(subject, epoch);
                }
            }
        }
    }
    for subject in SUBJECTS {
        let listed = store.list(subject).await.unwrap();
        let listed: HashSet<_> = listed.iter().map(|session| session.id).collect();
        assert_eq!(listed, model.list(subject), "history {number}, at the end");
    }
}

/// The epoch of a subject, from a session that is opened for it and ended.
async fn epoch_of(
    store: &SessionStore,
    subject: &str,
    rotation: Rotation,
    number: u32,
    at: usize,
) -> u64 {
    let mut id = [0xff; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    id[4..12].copy_from_slice(&(at as u64).to_be_bytes());
    let session = SessionId::from_bytes(id);
    let client = SessionClient::new();
    let opening = Opening {
        session,
        subject,
        scope: "",
        method: "password",
        client: &client,
        proof: [0; 16],
        key_id: 7,
        rotation,
        absolute: 90 * DAY,
        max_sessions: NonZeroU32::new(100).unwrap(),
        replaces: None,
        access: ACCESS,
    };
    let opened = store.open(&opening).await.unwrap();
    let which = Which::One(session);
    let revoke = Revoke { subject, which, access: ACCESS, absolute: 90 * DAY };
    assert_eq!(store.revoke(&revoke).await.unwrap(), 1);
    opened.epoch
}
