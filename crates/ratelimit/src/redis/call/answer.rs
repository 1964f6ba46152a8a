//! What the answer to a call means for each of its requests.

use hardpoint_core::Mono;

use super::{Call, Step, Ticket};
use crate::{
    Receipt, Verdicts,
    redis::{Bucket, wire},
};

/// What [`Receipt::decider`] is for the server.
const SERVER: u32 = 1;

/// What the server answered to a call.
#[derive(Debug)]
pub(in super::super) struct Answer {
    at: Mono,
    debts: Vec<f64>,
    /// Of each step: where its debts begin.
    begins: Vec<u32>,
}

impl Call {
    /// Reads the answer. `None` if it is not one to this call.
    pub(in super::super) fn read(&self, answer: &[u8]) -> Option<Answer> {
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

    /// The verdicts on a request.
    pub(in super::super) fn verdicts(&self, ticket: Ticket, answer: &Answer) -> Verdicts {
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
    pub(in super::super) fn refused<'a>(
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

    /// How many of the equal requests of a step are admitted.
    fn admitted(&self, step: u32, answer: &Answer) -> f64 {
        let Step::Decide { count, .. } = self.steps[step as usize] else { return 0.0 };
        let entries = self.entries(&self.steps[step as usize]).zip(answer.debts(step));
        let enforced = entries.filter(|((_, rule), _)| rule.mode.is_enforced());
        enforced.map(|((_, rule), debt)| rule.fits(*debt)).fold(count.into(), f64::min)
    }
}

impl Answer {
    fn debts(&self, step: u32) -> &[f64] {
        &self.debts[self.begins[step as usize] as usize..]
    }
}

/// A number of nanoseconds. It is not negative, and a larger one saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}
