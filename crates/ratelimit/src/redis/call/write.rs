//! What a call sends: the names of its buckets, and the arguments of the script.

use hardpoint_core::Mono;

use super::{Call, Step, index};
use crate::{EntryMode, redis::wire};

impl Call {
    /// The names of the buckets.
    pub(in super::super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let name = &self.names[begin..*end];
            begin = *end;
            name
        })
    }

    /// The arguments. `now` is the caller's clock, if that decides.
    pub(in super::super) fn arguments(&self, now: Option<Mono>) -> Vec<Vec<u8>> {
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
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
fn parts(at: Mono) -> (f64, f64) {
    const SECOND: u64 = 1_000_000_000;
    ((at.as_nanos() / SECOND) as f64, (at.as_nanos() % SECOND) as f64)
}
