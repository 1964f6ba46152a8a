//! How old the commands are that the server has not answered.

use std::collections::VecDeque;

use tokio::time::Instant;

/// The commands in flight, oldest first.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// When each was sent; `None` once it was answered. The front is never `None`.
    sent: VecDeque<Option<Instant>>,
    /// The number of the front.
    first: u64,
}

impl Flights {
    /// Notes a command that is sent, and returns its number.
    pub(super) fn depart(&mut self, now: Instant) -> u64 {
        self.sent.push_back(Some(now));
        self.first + self.sent.len() as u64 - 1
    }

    /// Notes the answer to a command.
    pub(super) fn land(&mut self, number: u64) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(sent) = place.and_then(|place| self.sent.get_mut(place)) {
            *sent = None;
        }
        while let Some(None) = self.sent.front() {
            self.sent.pop_front();
            self.first += 1;
        }
    }

    /// When the oldest command that was not answered was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.front().copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_oldest_is_the_first_departure_that_has_not_landed(
            steps in proptest::collection::vec(any::<Option<prop::sample::Index>>(), 1..60),
        ) {
            let origin = Instant::now();
            let mut flights = Flights::default();
            let mut model: Vec<(u64, Instant)> = Vec::new();
            for (step, land) in steps.into_iter().enumerate() {
                match land {
                    Some(which) if !model.is_empty() => {
                        let (number, _) = model.remove(which.index(model.len()));
                        flights.land(number);
                    }
                    _ => {
                        let now = origin + Duration::from_millis(step as u64);
                        model.push((flights.depart(now), now));
                    }
                }
                prop_assert_eq!(flights.oldest(), model.first().map(|&(_, sent)| sent));
            }
        }
    }

    #[test]
    fn a_number_that_never_departed_lands_nowhere() {
        let mut flights = Flights::default();
        let now = Instant::now();
        assert_eq!(flights.depart(now), 0);
        flights.land(7);
        assert_eq!(flights.oldest(), Some(now));
    }
}
