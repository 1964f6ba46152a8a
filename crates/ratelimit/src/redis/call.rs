//! One call of the script: the requests that it carries, and what its answer means for each. Pure.
//!
//! Requests are added in the order of their arrival. One that equals the last request about the same
//! buckets joins its step, so a thousand requests for one hot key cost the server as much as one. The
//! script answers with the debts before each step; who is admitted follows from them by the
//! arithmetic that the script itself uses, in doubles.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use hardpoint_core::Mono;

use super::{Bucket, Names, wire};
use crate::{
    EntryMode, Receipt, Verdicts, gcra,
    store::{Digest, Question},
};

/// Buckets in one call, at most. The script takes about 3 µs a bucket, during which the server does
/// nothing else.
const MOST_BUCKETS: usize = 256;
/// Steps in one call, at most.
const MOST_STEPS: usize = 1024;
/// A request whose rule was used longer ago brings it once more.
const RULES_LOOKED_AT: usize = 16;
/// What [`Receipt::decider`] is for the server.
const SERVER: u32 = 1;

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

/// What the server answered to a call.
#[derive(Debug)]
pub(super) struct Answer {
    at: Mono,
    debts: Vec<f64>,
    /// Of each step: where its debts begin.
    begins: Vec<u32>,
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

    /// The names of the buckets.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let name = &self.names[begin..*end];
            begin = *end;
            name
        })
    }

    /// The arguments. `now` is the caller's clock, if that decides.
    pub(super) fn arguments(&self, now: Option<Mono>) -> Vec<Vec<u8>> {
        let (seconds, nanos) = now.map_or((-1.0, 0.0), parts);
        if let ([Step::Decide { len: 1, count: 1, .. }], [rule]) =
            (&self.steps[..], &self.rules[..])
            && rule.mode == EntryMode::Enforce
        {
            let mut numbers = vec![rule.price.min(f64::MAX), rule.tolerance];
            numbers.extend(now.map(parts).into_iter().flat_map(<[f64; 2]>::from));
            return numbers.iter().map(|number| number.to_string().into_bytes()).collect();
        }
        let mut to = wire::Writer::default();
        to.number(seconds);
        to.number(nanos);
        to.index(4 + 3 * index(self.rules.len()));
        for rule in &self.rules {
            to.number(rule.number());
            to.number(rule.price);
            to.number(rule.tolerance);
        }
        for step in &self.steps {
            match *step {
                Step::Decide { first, len, count } => {
                    to.index(len);
                    to.index(count);
                    for entry in &self.entries[first as usize..][..len as usize] {
                        to.index(entry.number + 1);
                        to.index(4 + 3 * entry.rule);
                    }
                }
                Step::Settle { number, ending } => self.write_ending(number, ending, &mut to),
            }
        }
        vec![to.finish()]
    }

    #[expect(clippy::cast_precision_loss, reason = "above 104 days a price is rounded")]
    fn write_ending(&self, number: u32, ending: u32, to: &mut wire::Writer) {
        let ending = &self.endings[ending as usize];
        let (seconds, nanos) = parts(ending.held_at);
        to.index(0);
        to.index(number + 1);
        for number in [ending.tolerance as f64, ending.price as f64, ending.due as f64] {
            to.number(number);
        }
        to.number(seconds);
        to.number(nanos);
    }

    /// Reads the answer. `None` if it is not one to this call.
    pub(super) fn read(&self, answer: &[u8]) -> Option<Answer> {
        let debts = wire::read(answer)?;
        let (&[seconds, nanos], _) = debts.split_first_chunk()?;
        let mut next = 2;
        let begins = self.steps.iter().map(|step| {
            let begin = next;
            if let Step::Decide { len, .. } = *step {
                next += len + u32::from(self.holds(step));
            }
            begin
        });
        let begins = begins.collect();
        let is_time = seconds < 1e10 && nanos < 1e9 && seconds.fract() == 0.0;
        let is_whole =
            is_time && debts.len() == next as usize && debts.iter().all(|number| *number >= 0.0);
        let at = whole(seconds).saturating_mul(1_000_000_000).saturating_add(whole(nanos));
        is_whole.then_some(Answer { at: Mono::from_nanos(at), debts, begins })
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

    /// How many of the equal requests of a step are admitted.
    fn admitted(&self, step: u32, answer: &Answer) -> f64 {
        let Step::Decide { count, .. } = self.steps[step as usize] else { return 0.0 };
        let entries = self.entries(&self.steps[step as usize]).zip(answer.debts(step));
        let enforced = entries.filter(|((_, rule), _)| rule.mode.is_enforced());
        enforced.map(|((_, rule), debt)| rule.fits(*debt)).fold(count.into(), f64::min)
    }

    /// The verdicts on a request.
    pub(super) fn verdicts(&self, ticket: Ticket, answer: &Answer) -> Verdicts {
        let Ticket { step, turn } = ticket;
        let before = f64::from(turn).min(self.admitted(step, answer));
        let debts = answer.debts(step);
        let mut verdicts = Verdicts::NONE;
        let mut held_at = answer.at;
        let entries = self.entries(&self.steps[step as usize]);
        for (index, ((_, rule), debt)) in entries.clone().zip(debts).enumerate() {
            let fits = rule.fits(*debt);
            let taken = before.min(fits);
            let debt =
                if taken > 0.0 && rule.mode.asks() { debt + taken * rule.price } else { *debt };
            verdicts.set(index, rule.mode, whole(debt), fits > taken);
        }
        if self.holds(&self.steps[step as usize])
            && let Some(younger) = debts.get(entries.count())
        {
            held_at = Mono::from_nanos(answer.at.as_nanos() + whole(*younger));
        }
        verdicts.by_store(Receipt { decider: SERVER, at: held_at })
    }

    /// The debts of the buckets of requests that were refused, unless their cells may be held: a
    /// release would make such a debt too large.
    pub(super) fn refused<'a>(
        &'a self,
        answer: &'a Answer,
    ) -> impl Iterator<Item = (Bucket, u64)> + 'a {
        (0..).zip(&self.steps).flat_map(move |(number, step)| {
            let admitted = self.admitted(number, answer);
            let all = matches!(*step, Step::Decide { count, .. } if admitted >= count.into());
            let entries = self.entries(step).zip(answer.debts(number)).filter(move |_| !all);
            entries.filter(|((entry, rule), _)| !entry.holds && rule.mode.asks()).map(
                move |((entry, rule), debt)| {
                    let taken = admitted.min(rule.fits(*debt));
                    let more = if taken > 0.0 { taken * rule.price } else { 0.0 };
                    (entry.bucket, whole(debt + more))
                },
            )
        })
    }
}

impl Answer {
    fn debts(&self, step: u32) -> &[f64] {
        &self.debts[self.begins[step as usize] as usize..]
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

/// A number of nanoseconds. It is not negative, and a larger one saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
fn parts(at: Mono) -> (f64, f64) {
    const SECOND: u64 = 1_000_000_000;
    ((at.as_nanos() / SECOND) as f64, (at.as_nanos() % SECOND) as f64)
}

#[cfg(test)]
mod tests;
