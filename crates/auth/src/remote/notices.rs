//! Reports changes of the keys: the one place for the log and for the observer.

use std::{
    error::Error,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
};

use hardpoint_core::{
    Event, Telemetry,
    event::{KeySetChanged, KeySetFetchFailed, KeySetState, KeySetStateChanged},
};

use super::{KeysState, RefreshError};

const TARGET: &str = "hardpoint::auth::remote";

/// Reports each change once.
pub(super) struct Notices {
    key_set: &'static str,
    telemetry: Telemetry,
    /// The last reported state and number of unusable keys.
    state: Option<KeySetState>,
    skipped: usize,
}

impl Notices {
    pub(super) fn new(key_set: &'static str, telemetry: Telemetry) -> Self {
        Self { key_set, telemetry, state: None, skipped: 0 }
    }

    /// Reports the state of the keys, if it changed.
    pub(super) fn state(&mut self, state: KeysState) {
        let key_set = self.key_set;
        let state = match state {
            KeysState::Empty => return,
            KeysState::Expired => KeySetState::Expired,
            KeysState::Fresh => KeySetState::Fresh,
            KeysState::Stale { .. } => KeySetState::Stale,
        };
        if self.state.replace(state) == Some(state) {
            return;
        }
        match state {
            KeySetState::Fresh => {
                tracing::info!(target: TARGET, key_set, "the issuer's keys are fresh");
            }
            KeySetState::Stale => {
                tracing::warn!(target: TARGET, key_set, "the issuer's keys are stale");
            }
            _ => tracing::error!(target: TARGET, key_set, "the issuer's keys have expired"),
        }
        self.report(&KeySetStateChanged::new(key_set, state).into());
    }

    /// Reports how many keys came and went, if any.
    pub(super) fn changed(&self, added: usize, removed: usize) {
        let key_set = self.key_set;
        if (added, removed) != (0, 0) {
            tracing::info!(target: TARGET, key_set, added, removed, "the issuer's keys changed");
            self.report(&KeySetChanged::new(key_set, added, removed).into());
        }
    }

    /// Reports a failed round.
    pub(super) fn failed(&self, error: &RefreshError) {
        let (key_set, reason) = (self.key_set, error.kind().as_str());
        let causes = iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
        let cause = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        tracing::warn!(target: TARGET, key_set, reason, cause, "the issuer's keys were not fetched");
        self.report(&KeySetFetchFailed::new(key_set, error.kind()).into());
    }

    /// Logs how many keys of the set cannot be used, for an operator who looks for one.
    pub(super) fn skipped(&mut self, skipped: usize) {
        let key_set = self.key_set;
        if std::mem::replace(&mut self.skipped, skipped) != skipped && skipped > 0 {
            tracing::warn!(target: TARGET, key_set, skipped, "the issuer has unusable keys");
        }
    }

    /// An observer that panics must not end the task, or all keys expire.
    fn report(&self, event: &Event<'_>) {
        let key_set = self.key_set;
        if catch_unwind(AssertUnwindSafe(|| self.telemetry.on(event))).is_err() {
            tracing::error!(target: TARGET, key_set, "the observer panicked");
        }
    }
}
