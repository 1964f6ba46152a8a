//! Counts beside those of before.

use std::{collections::BTreeSet, fmt};

use crate::counts::Counts;

/// More than this share, in percent, *and* more than [`TOLERATED`] instructions is too much: a
/// compiler that lays out code a little differently is no regression, nor are a few instructions of
/// a few hundred.
pub const TOLERATED_PERCENT: u64 = 2;
/// See [`TOLERATED_PERCENT`].
pub const TOLERATED: u64 = 8;

/// One scenario beside what it took before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What it took before; `None` if it is new.
    pub before: Option<u64>,
    /// What it takes now; `None` if it is gone.
    pub now: Option<u64>,
}

/// What is to be said about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fewer instructions, by more than is tolerated: the baseline should follow.
    Better,
    /// The scenario is not counted any more: whoever removes it says so by blessing.
    Gone,
    /// There is nothing to compare it with.
    New,
    /// Within the tolerance.
    Same,
    /// More instructions than is tolerated.
    Worse,
}

/// Puts every scenario of either side beside the other's.
#[must_use]
pub fn compare(before: &Counts, now: &Counts) -> Vec<Line> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .map(|name| Line {
            name: name.clone(),
            before: before.get(name).copied(),
            now: now.get(name).copied(),
        })
        .collect()
}

impl Line {
    /// What is to be said about it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match (self.before, self.now) {
            (Some(before), Some(now)) if exceeds(before, now) => Verdict::Worse,
            (Some(before), Some(now)) if exceeds(now, before) => Verdict::Better,
            (Some(_), Some(_)) => Verdict::Same,
            (None, _) => Verdict::New,
            (Some(_), None) => Verdict::Gone,
        }
    }

    /// Whether the gate stays shut.
    #[must_use]
    pub const fn fails(&self) -> bool {
        matches!(self.verdict(), Verdict::Worse | Verdict::Gone)
    }
}

/// Whether `high` is above `low` by more than both tolerances. The share is of the lower one.
const fn exceeds(low: u64, high: u64) -> bool {
    let more = high.saturating_sub(low);
    more > TOLERATED && more.saturating_mul(100) > low.saturating_mul(TOLERATED_PERCENT)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.before, self.now) {
            (Some(before), Some(now)) if before == now => {
                write!(f, "{name}: {now} instructions")
            }
            (Some(before), Some(now)) => {
                let share = percent(before, now);
                write!(f, "{name}: {before} → {now} instructions, {share:+.1} %")
            }
            (None, Some(now)) => write!(f, "{name}: {now} instructions, not in the baseline yet"),
            (_, None) => write!(f, "{name}: in the baseline, and not counted any more"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for reading: counts are far below 2^53")]
fn percent(before: u64, now: u64) -> f64 {
    (now as f64 - before as f64) * 100.0 / before.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(before: u64, now: u64) -> Line {
        Line { name: "limiter accept".to_owned(), before: Some(before), now: Some(now) }
    }

    #[test]
    fn a_failure_reads_as_a_sentence() {
        let line = line(412, 455);
        assert_eq!(line.to_string(), "limiter accept: 412 → 455 instructions, +10.4 %");
        assert!(line.fails());
    }

    #[test]
    fn both_tolerances_must_be_exceeded() {
        for (before, now, verdict) in [
            (412, 412, Verdict::Same),
            (100, 108, Verdict::Same), // 8 % but 8 instructions
            (100, 109, Verdict::Worse),
            (1_000, 1_020, Verdict::Same), // 20 instructions but 2 %
            (1_000, 1_021, Verdict::Worse),
            (1_000_000, 1_000_900, Verdict::Same),
            (109, 100, Verdict::Better),
            (0, 9, Verdict::Worse),
        ] {
            assert_eq!(line(before, now).verdict(), verdict, "{before} {now}");
        }
    }

    #[test]
    fn a_new_scenario_passes_and_one_that_is_gone_does_not() {
        let counts = |all: &[(&str, u64)]| -> Counts {
            all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let lines = compare(&counts(&[("a", 1), ("b", 2)]), &counts(&[("b", 2), ("c", 3)]));
        let verdicts: Vec<_> = lines.iter().map(Line::verdict).collect();
        assert_eq!(verdicts, [Verdict::Gone, Verdict::Same, Verdict::New]);
        assert_eq!(lines.iter().filter(|line| line.fails()).count(), 1);
    }
}
