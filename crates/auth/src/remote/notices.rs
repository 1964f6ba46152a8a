//! Reports changes of the keys: the one place for the log and for the observer.

use std::{
    error::Error,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
};

use hardpoint_core::{
    Event, Telemetry,
    event::{KeySetChanged, KeySetFetchFailed, KeySetKeySkipped, KeySetState, KeySetStateChanged},
};

use super::{KeysState, RefreshError};
use crate::SkippedKey;

const TARGET: &str = "hardpoint::auth::remote";

/// Reports each change once.
pub(super) struct Notices {
    key_set: &'static str,
    telemetry: Telemetry,
    /// The last reported state and unusable keys.
    state: Option<KeySetState>,
    skipped: Vec<SkippedKey>,
}

impl Notices {
    pub(super) fn new(key_set: &'static str, telemetry: Telemetry) -> Self {
        Self { key_set, telemetry, state: None, skipped: Vec::new() }
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
        let detail = error.detail();
        tracing::warn!(
            target: TARGET, key_set, reason, detail, cause,
            "the issuer's keys were not fetched"
        );
        self.report(&KeySetFetchFailed::new(key_set, error.kind()).into());
    }

    /// Reports each key of the set that cannot be used, if they are others than before.
    pub(super) fn skipped(&mut self, skipped: &[SkippedKey]) {
        if self.skipped == skipped {
            return;
        }
        self.skipped = skipped.to_vec();
        let key_set = self.key_set;
        for key in skipped {
            let (position, key_id) = (key.position, key.key_id.as_deref());
            tracing::warn!(
                target: TARGET, key_set, position, key_id, reason = %key.reason,
                "a key of the issuer cannot be used"
            );
            let reason = key.reason.kind().as_str();
            self.report(&KeySetKeySkipped::new(key_set, position, key_id, reason).into());
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
