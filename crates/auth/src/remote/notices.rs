//! Who is told what becomes of the keys: the one place for the log and for the observer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hardpoint_core::{Event, Observer};

use super::{KeysState, RefreshError};

/// Tells each change once.
pub(super) struct Notices<Ob> {
    key_set: &'static str,
    observer: Ob,
    /// The state and the number of unusable keys that were told last.
    state: &'static str,
    skipped: usize,
}

impl<Ob: Observer> Notices<Ob> {
    /// About the set of this name.
    pub(super) const fn new(key_set: &'static str, observer: Ob) -> Self {
        Self { key_set, observer, state: KeysState::Empty.as_str(), skipped: 0 }
    }

    /// What the keys are worth now.
    pub(super) fn state(&mut self, state: KeysState) {
        let (key_set, name) = (self.key_set, state.as_str());
        if std::mem::replace(&mut self.state, name) == name {
            return;
        }
        match state {
            KeysState::Fresh => tracing::info!(
                target: "hardpoint::auth::remote",
                key_set,
                "the issuer's keys are fresh"
            ),
            KeysState::Stale { .. } => tracing::warn!(
                target: "hardpoint::auth::remote",
                key_set,
                "the issuer's keys are stale"
            ),
            KeysState::Empty | KeysState::Expired => tracing::error!(
                target: "hardpoint::auth::remote",
                key_set,
                "the issuer's keys have expired"
            ),
        }
        self.tell(&Event::KeySetStateChanged { key_set, state: name });
    }

    /// Keys came and went, so many of them.
    pub(super) fn changed(&self, added: usize, removed: usize) {
        let key_set = self.key_set;
        if (added, removed) == (0, 0) {
            return;
        }
        tracing::info!(
            target: "hardpoint::auth::remote",
            key_set,
            added,
            removed,
            "the issuer's keys changed"
        );
        self.tell(&Event::KeySetChanged { key_set, added, removed });
    }

    /// A round failed.
    pub(super) fn failed(&self, error: &RefreshError) {
        let (key_set, kind) = (self.key_set, error.kind().as_str());
        tracing::warn!(
            target: "hardpoint::auth::remote",
            key_set,
            reason = kind,
            cause = cause(error),
            "the issuer's keys could not be fetched"
        );
        self.tell(&Event::KeySetFetchFailed { key_set, kind });
    }

    /// So many keys of the set cannot be used. It is for whoever looks into it: a log line alone.
    pub(super) fn skipped(&mut self, skipped: usize) {
        if std::mem::replace(&mut self.skipped, skipped) != skipped && skipped > 0 {
            tracing::warn!(
                target: "hardpoint::auth::remote",
                key_set = self.key_set,
                skipped,
                "some of the issuer's keys cannot be used"
            );
        }
    }

    /// An observer that panics must not end the task: without it all keys expire.
    fn tell(&self, event: &Event<'_>) {
        let told = catch_unwind(AssertUnwindSafe(|| self.observer.on(event)));
        if told.is_err() {
            tracing::error!(
                target: "hardpoint::auth::remote",
                key_set = self.key_set,
                "the observer panicked"
            );
        }
    }
}

/// What is behind an error, for the log.
fn cause(error: &RefreshError) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
