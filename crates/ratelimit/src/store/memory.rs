//! Buckets in this process: bounded, without a background task, and decided at once.
//!
//! All memory is allocated when the limiter is built. When both lines of a key are full, the key
//! there that owes the fewest cells of its burst is forgotten and counted, and of several the one that
//! came last: a flood of new keys displaces itself and leaves the keys that have reached their limit
//! in place.
//!
//! Keys are digested with a hash function whose key is drawn at random for each limiter, so a client
//! cannot pick keys that collide. Two keys share a bucket with a probability of 2⁻⁵⁸ a pair: in a
//! table of a million keys, some pair does once in 600 000 starts.

use std::hash::{BuildHasher, RandomState};

use hardpoint_core::{Key, Mono};
use siphasher::sip::SipHasher13;

use super::{
    Digest, EntryMode, Question, Questions, Verdicts,
    holding::HoldingTable,
    table::{SIZE_MASK, Shape, Table},
};
use crate::{
    Policy, Quota,
    gcra::{self, Hold, State},
};

pub(crate) struct Memory {
    tables: Box<[Buckets]>,
    hasher: SipHasher13,
}

/// The buckets of one policy.
enum Buckets {
    Plain(Table),
    /// Of a policy that charges by the response or takes reservations.
    Holding(HoldingTable),
}

/// The end of a hold: what is charged, in cells, and today's quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) held: Question,
    pub(crate) charged: u32,
    pub(crate) quota: Quota,
}

impl Memory {
    /// A table for each policy.
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let tables = policies.iter().map(|policy| {
            let keys = policy.keys_at_peak();
            if policy.holds() {
                Buckets::Holding(HoldingTable::for_peak(keys))
            } else {
                Buckets::Plain(Table::for_peak(keys))
            }
        });
        // The standard library's own keys are as random as the system makes them.
        let random = RandomState::new();
        let hash_key = u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1));
        let hasher = SipHasher13::new_with_key(&hash_key.to_le_bytes());
        Self { tables: tables.collect(), hasher }
    }

    #[inline]
    pub(crate) fn digest(&self, key: &Key<'_>) -> Digest {
        let hash = self.hasher.hash(key.as_bytes());
        Digest::from_bits((hash & !SIZE_MASK).into())
    }

    /// Decides one question. The debt before, and whether there was room.
    #[inline]
    pub(crate) fn decide_one(&self, question: &mut Question, now: Mono) -> (u64, bool) {
        match self.tables.get(usize::from(question.policy)) {
            Some(Buckets::Plain(table)) => apply(table, question, now),
            Some(Buckets::Holding(table)) => apply_holding(table, question, now),
            // Every policy has a table; without one, nothing can be admitted.
            None => (0, false),
        }
    }

    #[inline]
    pub(crate) fn decide(&self, questions: &mut Questions, now: Mono) -> Verdicts {
        match questions.as_mut_slice() {
            [] => Verdicts::NONE,
            [question] => {
                let (debt, room) = self.decide_one(question, now);
                Verdicts::one(question, debt, room)
            }
            many => self.all_or_nothing(many, now),
        }
    }

    /// Looks at every bucket first, since that finds most refusals, then takes from one after the
    /// other. If one was emptied meanwhile, it gives back what it took.
    ///
    /// So concurrent batches never admit more than the same batches one after another. While several
    /// meet in buckets that are nearly empty, one may be refused because another has a cell that it
    /// is about to give back.
    #[inline(never)]
    fn all_or_nothing(&self, questions: &mut [Question], now: Mono) -> Verdicts {
        let mut verdicts = Verdicts::NONE;
        for (index, question) in questions.iter().enumerate() {
            let debt = self.look(question, now);
            verdicts.set(index, question.mode, debt, question.after(debt).is_some());
        }
        let mut taken = 0;
        for (index, question) in questions.iter_mut().enumerate() {
            if verdicts.allowed() && question.mode.is_enforced() {
                let (debt, room) = self.decide_one(question, now);
                verdicts.set(index, question.mode, debt, room);
                taken += usize::from(room);
            }
        }
        if !verdicts.allowed() {
            let enforced = questions.iter().filter(|question| question.mode.is_enforced());
            enforced.take(taken).for_each(|question| self.give_back(question, now));
        }
        for (index, question) in questions.iter_mut().enumerate() {
            let observed = question.mode.asks() && !question.mode.is_enforced();
            if !question.mode.asks() || (verdicts.allowed() && observed) {
                let (debt, room) = self.decide_one(question, now);
                verdicts.set(index, question.mode, debt, room);
            }
        }
        verdicts
    }

    /// Undoes what a question took that belongs to a refused batch.
    fn give_back(&self, question: &Question, now: Mono) {
        if question.mode.is_hold() {
            self.settle(&Ended { held: *question, charged: 0, quota: question.quota }, now);
        } else {
            self.decide_one(&mut Question { mode: EntryMode::Refund, ..*question }, now);
        }
    }

    pub(crate) fn settle(&self, ended: &Ended, now: Mono) {
        let Ended { held, charged, quota } = *ended;
        let hold = Hold::new(held.since, gcra::price(held.quota, held.cost));
        let due = gcra::price(held.quota, charged);
        if let Some(Buckets::Holding(table)) = self.tables.get(usize::from(held.policy)) {
            table.change(held.key.low(), quota, now, |bucket, _| {
                bucket.settle(quota, now, hold, due);
            });
        }
    }

    /// Takes over what a store knows of a key: this process decides from there if the store fails.
    pub(crate) fn learn(&self, question: &Question, debt: u64, now: Mono) {
        let Question { key, quota, .. } = *question;
        match self.tables.get(usize::from(question.policy)) {
            Some(Buckets::Plain(table)) => {
                table.change(key.low(), Shape::new(quota), now.as_nanos(), |state| {
                    let known = State::from_nanos(state);
                    let is_new = known.debt(quota, now) != debt;
                    is_new.then(|| gcra::after(now, debt).as_nanos())
                });
            }
            Some(Buckets::Holding(table)) => {
                table.change(key.low(), quota, now, |bucket, _| bucket.learn(now, debt));
            }
            None => {}
        }
    }

    /// Shortens every debt of a policy to a whole bucket of its new quota.
    pub(crate) fn cut(&self, policy: usize, quota: Quota, now: Mono) {
        match self.tables.get(policy) {
            Some(Buckets::Plain(table)) => {
                table.cut(gcra::after(now, quota.tolerance()).as_nanos());
            }
            Some(Buckets::Holding(table)) => table.cut(quota, now),
            None => {}
        }
    }

    /// Whether this policy's table can hold cells.
    pub(crate) fn can_hold(&self, policy: usize) -> bool {
        matches!(self.tables.get(policy), Some(Buckets::Holding(_)))
    }

    pub(crate) fn evictions(&self) -> u64 {
        let evictions = |table: &Buckets| match table {
            Buckets::Plain(table) => table.evictions(),
            Buckets::Holding(table) => table.evictions(),
        };
        self.tables.iter().map(evictions).sum()
    }

    pub(crate) fn size(&self) -> usize {
        let size = |table: &Buckets| match table {
            Buckets::Plain(table) => table.size(),
            Buckets::Holding(table) => table.size(),
        };
        self.tables.iter().map(size).sum()
    }

    /// The debt now. A state that no quota of today leads to is cut here too, because nothing else
    /// does if the batch is refused.
    fn look(&self, question: &Question, now: Mono) -> u64 {
        match self.tables.get(usize::from(question.policy)) {
            Some(Buckets::Plain(table)) => change(table, question, now, |_| None),
            Some(Buckets::Holding(table)) => {
                let quota = question.quota;
                table.change(question.key.low(), quota, now, |bucket, _| bucket.debt(quota, now))
            }
            None => 0,
        }
    }
}

#[inline]
fn apply(table: &Table, question: &Question, now: Mono) -> (u64, bool) {
    let debt = change(table, question, now, |debt| question.after(debt));
    (debt, question.after(debt).is_some())
}

/// Replaces the key's debt by the result of `next`; cuts a state that no quota of today leads to in
/// any case. Returns the debt before.
#[inline]
fn change(table: &Table, question: &Question, now: Mono, next: impl Fn(u64) -> Option<u64>) -> u64 {
    let quota = question.quota;
    let change = table.change(question.key.low(), Shape::new(quota), now.as_nanos(), |state| {
        let state = State::from_nanos(state);
        let debt = state.debt(quota, now);
        match next(debt) {
            // An unchanged debt needs no slot.
            Some(next) if next == debt => None,
            Some(next) => Some(gcra::after(now, next).as_nanos()),
            None => gcra::cut(quota, state, now).map(State::as_nanos),
        }
    });
    State::from_nanos(change.before).debt(quota, now)
}

#[inline(never)]
fn apply_holding(table: &HoldingTable, question: &mut Question, now: Mono) -> (u64, bool) {
    let Question { key, quota, cost, mode, .. } = *question;
    let (debt, room, since) = table.change(key.low(), quota, now, |bucket, fresh| match mode {
        EntryMode::Enforce | EntryMode::Observe => {
            let (debt, room) = bucket.take(quota, now, cost);
            (debt, room, None)
        }
        EntryMode::Hold { .. } => {
            let (debt, hold) = bucket.hold(quota, now, cost);
            (debt, hold.is_some(), hold.map(Hold::since))
        }
        EntryMode::Force => (bucket.force(quota, now, cost), true, None),
        EntryMode::Refund => (bucket.refund(quota, now, cost), true, None),
        EntryMode::Reset => {
            *bucket = gcra::Holding::new(fresh);
            (0, true, None)
        }
    });
    question.since = since.unwrap_or(question.since);
    (debt, room)
}
