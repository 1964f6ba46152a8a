//! The properties of rotation, by an exhaustive model and by random histories.
//!
//! P1: of any number of presentations of one token, one advances the family. P2: if thief and owner
//! present tokens more than a grace apart, reuse is detected. P3: retries within the grace never
//! end a session. P4: the state is constant in size, which the type shows.

use proptest::prelude::*;

use super::*;

const GRACE: u64 = 10_000;
const BRANCH_KILL: AfterGrace = AfterGrace::BranchKill { per_day: NonZeroU32::MAX };

fn rotation(after_grace: AfterGrace) -> Rotation {
    Rotation { after_grace, idle: Duration::from_millis(DAY), ..Rotation::default() }
}

fn family(rotation: &Rotation) -> FamilyState {
    FamilyState::new(1, 0, Duration::from_millis(90 * DAY), rotation)
}

/// What decides in the exhaustive model: ours, or a rule with a known hole.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Ours(AfterGrace),
    /// `BranchKill` with a computed `generation - 1` for the previous one.
    ComputedPrevious,
    /// Supabase: the parent of the active token is always answered with the active token.
    ParentOfActive,
}

impl Rule {
    /// The generation that the presenter gets; `None` if the family ends.
    fn present(self, family: &mut FamilyState, generation: u64, now: u64) -> Option<u64> {
        let settings = |after_grace| rotation(after_grace);
        let transition = match self {
            Self::Ours(after) => family.present(generation, 1, now, &settings(after)),
            Self::ComputedPrevious => {
                family.previous = family.generation - 1;
                family.present(generation, 1, now, &settings(BRANCH_KILL))
            }
            Self::ParentOfActive if generation == family.previous => Transition::Replayed,
            Self::ParentOfActive => {
                family.present(generation, 1, now, &settings(AfterGrace::Strict))
            }
        };
        match transition {
            Transition::Reused => None,
            Transition::RolledBack | Transition::Expired => panic!("{transition:?}"),
            _ => Some(family.generation),
        }
    }

    /// The most changes between thief and owner that are not detected in any history of at most
    /// `left` presentations, all more than a grace apart, in which the owner keeps its newest token
    /// and the thief keeps all that it ever had. Both begin with the first token.
    fn undetected(self, left: usize) -> usize {
        let start = family(&rotation(AfterGrace::Strict));
        self.explore(start, 1, 0b10, None, 0, left, 0)
    }

    #[expect(clippy::too_many_arguments, reason = "the whole state of the search")]
    fn explore(
        self,
        family: FamilyState,
        owner: u64,
        thief: u64,
        last: Option<bool>,
        now: u64,
        left: usize,
        changes: usize,
    ) -> usize {
        let mut most = changes;
        if left == 0 {
            return most;
        }
        let now = now + GRACE + 1;
        let mut step = |by_owner: bool, generation: u64| {
            let mut next = family;
            let Some(got) = self.present(&mut next, generation, now) else { return };
            let changes = changes + usize::from(last.is_some_and(|last| last != by_owner));
            let (owner, thief) = if by_owner { (got, thief) } else { (owner, thief | 1 << got) };
            let found = self.explore(next, owner, thief, Some(by_owner), now, left - 1, changes);
            most = most.max(found);
        };
        step(true, owner);
        (1..=family.generation).filter(|held| thief & 1 << held != 0).for_each(|g| step(false, g));
        most
    }
}

#[test]
fn strict_detects_the_first_change_between_thief_and_owner() {
    for length in 1..=9 {
        assert_eq!(Rule::Ours(AfterGrace::Strict).undetected(length), 0, "{length} presentations");
    }
}

#[test]
fn branch_kill_detects_within_a_number_of_changes_that_does_not_grow() {
    let undetected: Vec<_> = (1..=9).map(|n| Rule::Ours(BRANCH_KILL).undetected(n)).collect();
    assert!(undetected.iter().all(|changes| *changes <= 2), "{undetected:?}");
    assert_eq!(undetected.last(), Some(&2), "the model finds what is possible");
}

/// The same search finds the holes that other rules have, so it can fail.
#[test]
fn the_model_finds_the_holes_of_other_rules() {
    for rule in [Rule::ComputedPrevious, Rule::ParentOfActive] {
        for length in 2..=8 {
            assert_eq!(rule.undetected(length), length - 1, "{rule:?}, {length} presentations");
        }
    }
}

#[test]
fn a_retry_gets_the_same_successor_and_does_not_extend_the_grace() {
    let rotation = rotation(AfterGrace::Strict);
    let mut family = family(&rotation);
    assert_eq!(family.present(1, 2, 0, &rotation), Transition::Rotated);
    let rotated = family;
    for now in [0, 1, 5_000, 9_999] {
        assert_eq!(family.present(1, 3, now, &rotation), Transition::Replayed);
        assert_eq!(family, rotated, "at {now}");
    }
    assert_eq!(family.present(1, 3, 10_000, &rotation), Transition::Reused);
}

#[test]
fn without_a_grace_every_retry_is_reuse() {
    let rotation = Rotation { grace: Duration::ZERO, ..rotation(AfterGrace::Strict) };
    let mut family = family(&rotation);
    assert_eq!(family.present(1, 1, 5, &rotation), Transition::Rotated);
    assert_eq!(family.present(1, 1, 5, &rotation), Transition::Reused);
    assert_eq!(family.present(1, 1, 4, &rotation), Transition::Reused, "a clock that went back");
}

#[test]
fn a_newer_token_than_the_store_knows_is_a_rollback_and_changes_nothing() {
    let rotation = rotation(AfterGrace::Strict);
    let mut family = family(&rotation);
    assert_eq!(family.present(1, 1, 1, &rotation), Transition::Rotated);
    let snapshot = family;
    assert_eq!(family.present(2, 1, 20_000, &rotation), Transition::Rotated);
    assert_eq!(family.present(3, 1, 40_000, &rotation), Transition::Rotated);
    let mut restored = snapshot;
    assert_eq!(restored.present(4, 1, 41_000, &rotation), Transition::RolledBack);
    assert_eq!(restored.present(3, 1, 41_000, &rotation), Transition::RolledBack);
    assert_eq!(restored, snapshot);
    // Theft is still told apart.
    assert_eq!(restored.present(1, 1, 41_000, &rotation), Transition::Reused);
}

#[test]
fn a_family_ends_when_it_is_idle_and_at_its_absolute_deadline() {
    let rotation = rotation(AfterGrace::Strict);
    let mut idle = family(&rotation);
    assert_eq!(idle.present(1, 1, DAY, &rotation), Transition::Expired);
    assert_eq!(idle.present(1, 1, DAY - 1, &rotation), Transition::Rotated);
    let mut busy = family(&rotation);
    let (mut now, mut generation) = (0, 1);
    while now < 90 * DAY {
        assert_eq!(busy.present(generation, 1, now, &rotation), Transition::Rotated);
        (now, generation) = (now + DAY - 1, generation + 1);
    }
    assert_eq!(busy.present(generation, 1, 90 * DAY, &rotation), Transition::Expired);
}

#[test]
fn a_retry_does_not_keep_an_idle_family_alive() {
    let rotation = rotation(AfterGrace::Strict);
    let mut family = family(&rotation);
    assert_eq!(family.present(1, 1, 0, &rotation), Transition::Rotated);
    assert_eq!(family.present(1, 1, GRACE - 1, &rotation), Transition::Replayed);
    assert_eq!(family.deadline(), DAY);
}

#[test]
fn forgiven_retries_are_counted_by_the_day() {
    let per_day = NonZeroU32::new(2).unwrap();
    let rotation = rotation(AfterGrace::BranchKill { per_day });
    let mut family = family(&rotation);
    assert_eq!(family.present(1, 1, 0, &rotation), Transition::Rotated);
    assert_eq!(family.present(1, 1, 20_000, &rotation), Transition::Forgiven);
    // The successor that was left behind is an orphan.
    assert_eq!({ family }.present(2, 1, 20_001, &rotation), Transition::Reused);
    // A forgiven retry can itself be retried.
    assert_eq!(family.present(1, 1, 20_001, &rotation), Transition::Replayed);
    assert_eq!(family.present(1, 1, 40_000, &rotation), Transition::Forgiven);
    assert_eq!({ family }.present(1, 1, 60_000, &rotation), Transition::Reused);
    assert_eq!(family.present(4, 1, 60_000, &rotation), Transition::Rotated);
    let next_day = DAY + 1;
    assert_eq!(family.present(4, 1, next_day, &rotation), Transition::Forgiven);
}

/// One presentation of a random history: by whom, after how long, and of which of its tokens.
#[derive(Clone, Debug)]
struct Step {
    after: u64,
    by_owner: bool,
    pick: prop::sample::Index,
}

fn step(after: impl Strategy<Value = u64> + 'static) -> impl Strategy<Value = Step> {
    let picked = (after, any::<bool>(), any::<prop::sample::Index>());
    picked.prop_map(|(after, by_owner, pick)| Step { after, by_owner, pick })
}

fn settings() -> impl Strategy<Value = Rotation> {
    let after = prop_oneof![
        Just(AfterGrace::Strict),
        (1_u32..4).prop_map(|n| AfterGrace::BranchKill { per_day: NonZeroU32::new(n).unwrap() }),
    ];
    (0_u64..=60_000, after).prop_map(|(grace, after_grace)| Rotation {
        grace: Duration::from_millis(grace),
        ..rotation(after_grace)
    })
}

proptest! {
    /// P1: after any history, at most one of the next presentations of one token at one time
    /// advances the family, and all that are answered get the same successor.
    #[test]
    fn one_token_has_one_successor(
        rotation in settings(),
        history in prop::collection::vec((0_u64..100_000, 0_u64..3), 0..20),
        back in 0_u64..3,
    ) {
        let (mut state, mut now) = (family(&rotation), 0);
        for (after, back) in history {
            now += after;
            let mut next = state;
            let token = state.generation.saturating_sub(back).max(1);
            if next.present(token, 1, now, &rotation) != Transition::Reused {
                state = next;
            }
        }
        let token = state.generation.saturating_sub(back).max(1);
        let (mut advanced, mut successors) = (0, Vec::new());
        for _ in 0..8 {
            match state.present(token, 1, now, &rotation) {
                Transition::Rotated | Transition::Forgiven => advanced += 1,
                Transition::Replayed => {}
                _ => continue,
            }
            successors.push(state.generation);
        }
        prop_assert!(advanced <= 1);
        successors.dedup();
        prop_assert!(successors.len() <= 1, "{:?}", successors);
    }

    /// P2: a thief who copied a token is detected at the second holder's next presentation, if
    /// presentations are a grace apart.
    #[test]
    fn strict_never_answers_both_holders(
        history in prop::collection::vec(step(GRACE..1_000_000), 2..40),
        stolen_at in 0_usize..20,
    ) {
        let rotation = rotation(AfterGrace::Strict);
        let (mut state, mut now) = (family(&rotation), 0);
        let (mut owner, mut thief) = (1, Vec::new());
        let mut answered_after_theft = [false; 2];
        for (index, step) in history.iter().enumerate() {
            if index == stolen_at {
                thief.push(owner);
            }
            now += step.after;
            let by_owner = step.by_owner || thief.is_empty();
            let token = if by_owner { owner } else { *step.pick.get(&thief) };
            let is_stolen = !thief.is_empty();
            match state.present(token, 1, now, &rotation) {
                Transition::Rotated => {}
                Transition::Reused => return Ok(()),
                other => prop_assert!(false, "{:?}", other),
            }
            if by_owner { owner = state.generation } else { thief.push(state.generation) }
            if is_stolen {
                answered_after_theft[usize::from(by_owner)] = true;
            }
            prop_assert!(answered_after_theft != [true; 2], "both were answered");
        }
    }

    /// P3: any number of tabs that share a token and retry within the grace stay logged in.
    #[test]
    fn tabs_that_retry_within_the_grace_are_never_logged_out(
        rounds in prop::collection::vec(prop::collection::vec(0_u64..GRACE, 1..12), 1..20),
    ) {
        for after_grace in [AfterGrace::Strict, BRANCH_KILL] {
            let rotation = rotation(after_grace);
            let (mut state, mut now, mut token) = (family(&rotation), 0, 1);
            for mut tabs in rounds.clone() {
                // The first to come begins the grace.
                tabs.sort_unstable();
                let first = tabs.first().copied().unwrap_or_default();
                for at in &tabs {
                    let transition = state.present(token, 1, now + at - first, &rotation);
                    let expected = [Transition::Rotated, Transition::Replayed];
                    prop_assert!(expected.contains(&transition), "{:?}", transition);
                    prop_assert_eq!(state.generation, token + 1);
                }
                (token, now) = (state.generation, now + 1_000_000);
            }
        }
    }

    /// No history makes a number smaller or a family live beyond its deadlines.
    #[test]
    fn numbers_and_deadlines_are_monotonic(
        rotation in settings(),
        history in prop::collection::vec((0_u64..2 * DAY, 0_u64..6), 1..60),
    ) {
        let (mut state, mut now) = (family(&rotation), 0);
        let absolute = state.absolute_deadline;
        for (after, token) in history {
            now += after;
            let before = state;
            let transition = state.present(token, 1, now, &rotation);
            prop_assert!(state.generation >= before.generation);
            prop_assert!(state.previous >= before.previous);
            prop_assert!(state.previous < state.generation);
            prop_assert_eq!(state.absolute_deadline, absolute);
            let advanced = matches!(transition, Transition::Rotated | Transition::Forgiven);
            prop_assert_eq!(state.generation > before.generation, advanced);
            if transition == Transition::Expired {
                prop_assert!(now >= before.deadline());
            } else {
                prop_assert!(now < before.deadline());
            }
        }
    }
}
