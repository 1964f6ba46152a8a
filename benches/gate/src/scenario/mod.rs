//! The operations that are counted.

mod api_key;
mod limiter;
mod record;
mod resilience;
mod resolver;
mod stack;
mod token;

pub use self::{
    api_key::api_key_known,
    limiter::{limiter_accept, limiter_accept_headers, limiter_check, limiter_refuse},
    record::{log_event, record, record_unlogged},
    resilience::{
        breaker_call, breaker_closed, breaker_refuse, bulkhead_permit, client_policy,
        hedge_learning, retry_one_attempt,
    },
    resolver::resolver_three_hops,
    stack::{stack_accept, stack_refuse},
    token::{token_eddsa, token_es256, token_refused, token_rs256},
};

use std::fmt;

/// An operation, ready to be run once.
pub struct Scenario {
    run: Box<dyn FnMut()>,
}

impl Scenario {
    /// An operation on what `prepare` makes, which is not counted.
    ///
    /// It is run a few times first, so that what happens once has happened.
    fn new<P: 'static>(
        mut prepare: impl FnMut() -> P + 'static,
        mut operation: impl FnMut(P) + 'static,
    ) -> Self {
        for _ in 0..3 {
            operation(prepare());
        }
        let mut prepared = Some(prepare());
        let run = move || {
            if let Some(prepared) = prepared.take() {
                operation(prepared);
            }
        };
        Self { run: Box::new(run) }
    }

    /// Runs it. What it made and does not keep is dropped within, as it is in a service.
    #[inline(never)]
    pub fn run(&mut self) {
        (self.run)();
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_does_what_it_says() {
        // Each asserts its own outcome, in the runs that warm it up and in the counted one.
        for scenario in [
            api_key_known,
            breaker_call,
            breaker_closed,
            breaker_refuse,
            bulkhead_permit,
            client_policy,
            hedge_learning,
            limiter_accept,
            limiter_accept_headers,
            limiter_check,
            limiter_refuse,
            record_unlogged,
            resolver_three_hops,
            retry_one_attempt,
            stack_refuse,
            token_eddsa,
            token_es256,
            token_refused,
            token_rs256,
        ] {
            scenario().run();
        }
    }
}
