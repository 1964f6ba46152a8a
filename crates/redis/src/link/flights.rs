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
