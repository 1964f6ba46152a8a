//! One call of the script: the requests that it carries, [what is sent](write) for them, and [what the
//! answer means](answer) for each. Pure.
//!
//! Requests are added in the order of their arrival. One that equals the last request about the same
//! buckets joins its step, so a thousand requests for one hot key cost the server as much as one. The
//! script answers with the debts before each step; who is admitted follows from them by the
//! arithmetic that the script itself uses, in doubles.

mod answer;
mod write;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use hardpoint_core::Mono;

pub(super) use self::answer::Answer;
use super::{Bucket, Names};
use crate::{
    EntryMode, gcra,
    store::{Digest, Question},
};

/// Buckets in one call, at most. The script takes about 3 µs a bucket, during which the server does
/// nothing else.
const MOST_BUCKETS: usize = 256;
/// Steps in one call, at most.
const MOST_STEPS: usize = 1024;
/// A request whose rule was used longer ago brings it once more.
const RULES_LOOKED_AT: usize = 16;

/// What one policy asks about one bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) policy: &'a str,
    pub(super) key: Digest,
    pub(super) bucket: Bucket,
    /// Whether cells of this bucket may be held.
    pub(super) holds: bool,
    pub(super) rule: Rule,
}

/// What is done, with how many nanoseconds of which whole bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    mode: EntryMode,
    price: f64,
    tolerance: f64,
}

/// The end of a hold.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) name: Box<[u8]>,
    pub(super) bucket: Bucket,
    pub(super) tolerance: u64,
    /// What is held and what of it is charged, in nanoseconds.
    pub(super) price: u64,
    pub(super) due: u64,
    pub(super) held_at: Mono,
}

/// Where a request is in a call: its step, and how many equal ones came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    step: u32,
    turn: u32,
}

#[derive(Debug, Default)]
pub(super) struct Call {
    /// The names of the buckets one after the other, and where each ends.
    names: Vec<u8>,
    ends: Vec<usize>,
    numbers: HashMap<Bucket, u32, BuildHasherDefault<ByDigest>>,
    /// Of each bucket: the last step about it.
    last: Vec<u32>,
    rules: Vec<Rule>,
    entries: Vec<Entry>,
    steps: Vec<Step>,
    endings: Vec<Ending>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    bucket: Bucket,
    /// From 0.
    number: u32,
    rule: u32,
    holds: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Decide {
        first: u32,
        len: u32,
        count: u32,
    },
    /// The ending with this index.
    Settle {
        number: u32,
        ending: u32,
    },
}

impl Rule {
    #[expect(clippy::cast_precision_loss, reason = "above 104 days both sides round alike")]
    pub(super) fn new(question: &Question) -> Self {
        let price = question.quota.interval_nanos().checked_mul(question.cost.into());
        Self {
            mode: question.mode,
            // More than any bucket holds.
            price: price.map_or(f64::INFINITY, |price| price as f64),
            tolerance: question.quota.tolerance() as f64,
        }
    }

    /// How often the price fits beside a debt.
    fn fits(&self, debt: f64) -> f64 {
        if self.mode.asks() && self.price > 0.0 {
            ((self.tolerance - debt) / self.price).floor()
        } else {
            f64::INFINITY
        }
    }

    /// Whether equal requests may share a step.
    const fn repeats(&self) -> bool {
        self.mode.asks()
    }

    const fn number(&self) -> f64 {
        match self.mode {
            EntryMode::Enforce => 0.0,
            EntryMode::Observe => 1.0,
            EntryMode::Hold { enforced: true } => 2.0,
            EntryMode::Hold { enforced: false } => 3.0,
            EntryMode::Force => 4.0,
            EntryMode::Refund => 5.0,
            EntryMode::Reset => 6.0,
        }
    }
}

impl Call {
    /// Adds a request. `None` if the call has no room for it.
    pub(super) fn add<'a>(
        &mut self,
        names: &Names,
        asks: impl Iterator<Item = Ask<'a>>,
    ) -> Option<Ticket> {
        if !self.has_room(crate::Batch::MAX) {
            return None;
        }
        let first = self.entries.len();
        for ask in asks {
            let number = self.number(ask.bucket, |to| names.write(ask.policy, ask.key, to));
            let rule = self.rule(ask.rule);
            let Ask { bucket, holds, .. } = ask;
            self.entries.push(Entry { bucket, number, rule, holds });
        }
        if let Some(ticket) = self.repeated(first) {
            self.entries.truncate(first);
            return Some(ticket);
        }
        let step = index(self.steps.len());
        for entry in &self.entries[first..] {
            self.last[entry.number as usize] = step;
        }
        let len = index(self.entries.len() - first);
        self.steps.push(Step::Decide { first: index(first), len, count: 1 });
        Some(Ticket { step, turn: 0 })
    }

    /// Adds the end of a hold, or gives it back if the call has no room for it.
    pub(super) fn settle(&mut self, ending: Ending) -> Result<(), Ending> {
        if !self.has_room(1) {
            return Err(ending);
        }
        let number = self.number(ending.bucket, |to| to.extend_from_slice(&ending.name));
        self.last[number as usize] = index(self.steps.len());
        self.steps.push(Step::Settle { number, ending: index(self.endings.len()) });
        self.endings.push(ending);
        Ok(())
    }

    pub(super) fn take_endings(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.endings)
    }

    pub(super) fn endings(&self) -> usize {
        self.endings.len()
    }

    fn has_room(&self, buckets: usize) -> bool {
        self.ends.len() + buckets <= MOST_BUCKETS && self.steps.len() < MOST_STEPS
    }

    /// The number of a bucket, from 0.
    fn number(&mut self, bucket: Bucket, name: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let next = index(self.ends.len());
        let number = *self.numbers.entry(bucket).or_insert(next);
        if number == next {
            name(&mut self.names);
            self.ends.push(self.names.len());
            self.last.push(u32::MAX);
        }
        number
    }

    /// The number of a rule, from 0. Most calls have one or two. A rule may have several numbers.
    fn rule(&mut self, rule: Rule) -> u32 {
        let late = self.rules.len().saturating_sub(RULES_LOOKED_AT);
        let known = self.rules[late..].iter().rposition(|known| *known == rule);
        if known.is_none() {
            self.rules.push(rule);
        }
        index(known.map_or(self.rules.len() - 1, |known| late + known))
    }

    /// Joins the entries from `first` on to an equal step, if that is the last about each of their
    /// buckets: what is in between is about others, so the order makes no difference.
    fn repeated(&mut self, first: usize) -> Option<Ticket> {
        let (before, ours) = self.entries.split_at(first);
        let step = self.last[ours.first()?.number as usize];
        let Step::Decide { first: begin, len, count } = self.steps.get_mut(step as usize)? else {
            return None;
        };
        let theirs = &before[*begin as usize..][..*len as usize];
        let equal = theirs.len() == ours.len()
            && theirs.iter().zip(ours).all(|(theirs, ours)| {
                theirs.number == ours.number
                    && theirs.rule == ours.rule
                    && self.rules[ours.rule as usize].repeats()
                    && self.last[ours.number as usize] == step
            });
        if !equal {
            return None;
        }
        let turn = *count;
        *count += 1;
        Some(Ticket { step, turn })
    }

    /// The entries of a step, with their rules.
    fn entries(&self, step: &Step) -> impl Iterator<Item = (&Entry, &Rule)> + Clone {
        let entries = match *step {
            Step::Decide { first, len, .. } => &self.entries[first as usize..][..len as usize],
            Step::Settle { .. } => &[],
        };
        entries.iter().map(|entry| (entry, &self.rules[entry.rule as usize]))
    }

    fn holds(&self, step: &Step) -> bool {
        self.entries(step).any(|(_, rule)| rule.mode.is_hold())
    }
}

impl Ending {
    pub(super) fn new(settled: &crate::Settled<'_>, held_at: Mono, names: &Names) -> Self {
        let mut name = Vec::new();
        names.write(settled.policy, settled.key, &mut name);
        Self {
            name: name.into(),
            bucket: Bucket::new(settled.policy, settled.key),
            tolerance: settled.quota.tolerance(),
            price: gcra::price(settled.held_under, settled.cost),
            due: gcra::price(settled.held_under, settled.charged),
            held_at,
        }
    }
}

/// Digests are random already.
#[derive(Clone, Copy, Default)]
pub(super) struct ByDigest(u64);

impl Hasher for ByDigest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Calls are bounded far below four billion of anything.
fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
