//! Which checks depend on which. Pure.

use std::{collections::BTreeSet, sync::Arc};

use crate::error::Mistake;

/// For each check, the indices of all checks that it depends on, directly or through others.
///
/// # Errors
/// Every name that no check has, and every set of checks that depend on each other.
pub(super) fn ancestors(
    names: &[Arc<str>],
    depends_on: &[Vec<Arc<str>>],
) -> Result<Vec<Box<[usize]>>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut direct = Vec::new();
    for (check, dependencies) in names.iter().zip(depends_on) {
        let mut found = BTreeSet::new();
        for dependency in dependencies {
            match names.iter().position(|name| name == dependency) {
                Some(index) => {
                    found.insert(index);
                }
                None => mistakes.push(Mistake::UnknownDependency {
                    check: Arc::clone(check),
                    dependency: Arc::clone(dependency),
                }),
            }
        }
        direct.push(found);
    }
    let all: Vec<_> = (0..direct.len()).map(|check| reachable(check, &direct)).collect();
    mistakes.extend(cycles(&all).map(|cycle| {
        let checks = cycle.filter_map(|check| names.get(check).map(Arc::clone)).collect();
        Mistake::DependencyCycle { checks }
    }));
    if mistakes.is_empty() {
        Ok(all.into_iter().map(|set| set.into_iter().collect()).collect())
    } else {
        Err(mistakes)
    }
}

/// The checks that can be reached from `check` in at least one step.
fn reachable(check: usize, direct: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left = vec![check];
    while let Some(next) = left.pop() {
        for dependency in direct.get(next).into_iter().flatten() {
            if reached.insert(*dependency) {
                left.push(*dependency);
            }
        }
    }
    reached
}

/// The sets of checks that reach each other, once each.
fn cycles(all: &[BTreeSet<usize>]) -> impl Iterator<Item = impl Iterator<Item = usize>> {
    let reaches = |from: usize, to: usize| all.get(from).is_some_and(|set| set.contains(&to));
    let mutual = move |check: usize| {
        (0..all.len()).filter(move |other| reaches(check, *other) && reaches(*other, check))
    };
    // A check that reaches itself is in a cycle; the first of its cycle names the others.
    (0..all.len()).filter(move |check| mutual(*check).next() == Some(*check)).map(mutual)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts<const N: usize>(texts: [&str; N]) -> Vec<Arc<str>> {
        texts.map(Arc::from).into()
    }

    #[test]
    fn dependencies_of_dependencies_count() {
        let names = texts(["dns", "db", "search", "alone"]);
        let depends_on = [texts([]), texts(["dns"]), texts(["db"]), texts([])];
        let all = ancestors(&names, &depends_on).unwrap();
        assert_eq!(all.iter().map(|set| &**set).collect::<Vec<_>>(), [&[][..], &[0], &[0, 1], &[]]);
    }

    #[test]
    fn every_mistake_is_listed() {
        let names = texts(["a", "b", "c", "d", "self"]);
        let depends_on = [
            texts(["b", "e"]),
            texts(["a"]),
            texts(["d", "f"]),
            // Reaches a cycle and is not in one.
            texts(["a"]),
            texts(["self"]),
        ];
        let unknown = |check: &str, dependency: &str| Mistake::UnknownDependency {
            check: check.into(),
            dependency: dependency.into(),
        };
        assert_eq!(
            ancestors(&names, &depends_on).unwrap_err(),
            [
                unknown("a", "e"),
                unknown("c", "f"),
                Mistake::DependencyCycle { checks: texts(["a", "b"]).into() },
                Mistake::DependencyCycle { checks: texts(["self"]).into() },
            ]
        );
    }

    proptest! {
        #[test]
        fn an_order_exists_or_a_cycle_is_reported(
            edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..14),
        ) {
            let names: Vec<Arc<str>> = (0..8).map(|index| index.to_string().into()).collect();
            let mut depends_on = vec![Vec::new(); 8];
            for (from, to) in &edges {
                depends_on[*from].push(Arc::clone(&names[*to]));
            }
            // Kahn's algorithm: remove checks whose dependencies are removed.
            let mut removed = BTreeSet::new();
            while let Some(free) = (0..8).find(|check| {
                !removed.contains(check)
                    && edges.iter().all(|(from, to)| from != check || removed.contains(to))
            }) {
                removed.insert(free);
            }
            prop_assert_eq!(ancestors(&names, &depends_on).is_ok(), removed.len() == 8);
        }
    }
}
