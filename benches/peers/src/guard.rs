//! Latency that does not get worse: the hot paths beside their peers, and beside what they were.
//!
//! A count of instructions does not see a lock, a cache miss or a system call. A ratio does: both
//! sides are measured in one run, so a slower machine slows both. Each path is measured on one
//! thread and on two, because a lock without contention costs little.
//!
//! How much two threads disturb each other depends on the machine, and on how often it runs both at
//! once. If it never does, the ratio equals that of one thread. The limit for two threads is therefore
//! the larger of both committed ratios.

use std::{collections::BTreeMap, fmt};

use hardpoint_bench_harness::{
    measure::{Burden, Plan},
    report::{Contest, Report},
};

use crate::{Named, auth, observability, ratelimit, resilience, stack};

/// By how much a ratio may exceed the committed one.
pub const TOLERATED: f64 = 1.25;

/// How often a path is measured until it is found slower: a neighbour of the machine disturbs one
/// measurement and not all.
pub const ATTEMPTS: usize = 4;

/// In the name of a path that two threads take.
const ON_TWO_THREADS: &str = ", 2 threads";

/// The hot paths.
#[must_use]
pub fn paths() -> Vec<Named> {
    let mut all = ratelimit::guarded();
    all.extend(auth::guarded());
    all.extend(observability::guarded());
    all.extend(resilience::guarded());
    all.extend(stack::guarded());
    all
}

/// The committed ratios, by path.
pub type Ratios = BTreeMap<String, f64>;

/// A path beside what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The path.
    pub name: String,
    /// The committed ratio, which it may exceed by [`TOLERATED`]; `None` if it is new.
    pub before: Option<f64>,
    /// The ratio now: the least of all attempts.
    pub now: f64,
}

impl Line {
    /// Whether the path is slower than is tolerated, or has no ratio to be compared with.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.before.is_none_or(|before| self.now > before * TOLERATED)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, before, now } = self;
        match before {
            Some(before) => {
                let most = before * TOLERATED;
                write!(
                    f,
                    "{name}: {now:.2} of the peer's time, {before:.2} before, {most:.2} at most"
                )
            }
            None => write!(f, "{name}: {now:.2} of the peer's time, not committed yet"),
        }
    }
}

/// Measures all paths one after the other.
pub fn measure(before: &Ratios, attempts: usize) -> impl Iterator<Item = Line> {
    paths().into_iter().map(move |path| line(path, before, attempts, Burden::None))
}

/// Measures a path with a burden on hardpoint's side. A path that seems slower is measured again,
/// `attempts` times in all.
#[must_use]
pub fn line((name, contest): Named, before: &Ratios, attempts: usize, burden: Burden) -> Line {
    let before = committed(name, before);
    let mut line = Line { name: name.to_owned(), before, now: f64::INFINITY };
    for _ in 0..attempts {
        line.now = line.now.min(ratio(contest(), burden));
        if !line.fails() {
            break;
        }
    }
    line
}

/// The committed ratio of a path, or that of one thread if it is larger.
fn committed(name: &str, ratios: &Ratios) -> Option<f64> {
    let ratio = ratios.get(name).copied()?;
    let alone = ratios.get(&name.replace(ON_TWO_THREADS, "")).copied();
    Some(alone.map_or(ratio, |alone| ratio.max(alone)))
}

/// The name of a path without its peer and its number of threads.
#[must_use]
pub fn path(name: &str) -> &str {
    name.split([',', '/']).next().unwrap_or(name).trim()
}

/// The median ratio of a contest, in less time than a benchmark takes.
fn ratio(contest: Contest<'_>, burden: Burden) -> f64 {
    let Contest { plan, ours, peer, .. } = contest;
    let plan = Plan { rounds: plan.rounds.min(101), ..plan };
    let ours = ours.burden(burden);
    let contest = Contest::new(ours, peer.expect("a guarded path has a peer")).plan(plan);
    let mut report = Report::new("", "");
    report.contest("", contest, None);
    let ratio = report.rows().first().and_then(|row| row.ratio);
    ratio.map_or(f64::INFINITY, |ratio| ratio.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fails_above_the_tolerance_and_without_a_committed_ratio() {
        let line = |before, now| Line { name: "a".to_owned(), before, now };
        assert!(!line(Some(0.4), 0.4).fails());
        assert!(!line(Some(0.4), 0.499).fails());
        assert!(line(Some(0.4), 0.501).fails());
        assert!(line(None, 0.1).fails());
        assert!(line(Some(0.4), f64::INFINITY).fails());
    }

    #[test]
    fn two_threads_may_take_what_one_takes() {
        let ratios = |alone, two| {
            [("a / b", alone), ("a, 2 threads / b", two)]
                .map(|(name, ratio)| (name.to_owned(), ratio))
                .into()
        };
        assert_eq!(committed("a, 2 threads / b", &ratios(0.9, 0.4)), Some(0.9));
        assert_eq!(committed("a, 2 threads / b", &ratios(0.4, 0.9)), Some(0.9));
        assert_eq!(committed("a / b", &ratios(0.4, 0.9)), Some(0.4));
        assert_eq!(committed("c", &ratios(0.4, 0.9)), None);
    }

    #[test]
    fn each_path_of_two_threads_is_also_measured_on_one() {
        let names: Vec<_> = paths().into_iter().map(|(name, _)| name).collect();
        for name in &names {
            assert!(names.contains(&&*name.replace(ON_TWO_THREADS, "")), "{name}");
        }
    }

    #[test]
    fn a_path_has_one_name_on_any_number_of_threads() {
        assert_eq!(path("request record, 2 threads / tower-http"), "request record");
        assert_eq!(path("request record / tower-http"), "request record");
    }

    #[test]
    fn every_path_is_named_once() {
        let mut names: Vec<_> = paths().into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
