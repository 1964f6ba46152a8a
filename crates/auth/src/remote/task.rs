//! The task that keeps the keys up to date: a thin shell around the state machine.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Mono;
use http::Uri;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    RefreshError, RefreshErrorKind,
    freshness::LONGEST,
    keys::{Ended, Shared},
    machine::{Machine, Step},
    notices::Notices,
    round::{Brought, Held, Plan},
};
use crate::KeySet;

/// Discovery is repeated after this many successful rounds, and after each failed one.
const ROUNDS_PER_DISCOVERY: u32 = 24;

/// The state of the task.
pub(super) struct Task {
    pub(super) plan: Arc<Plan>,
    pub(super) shared: Arc<Shared>,
    pub(super) ended: watch::Sender<Ended>,
    pub(super) timeout: Duration,
    pub(super) wake: mpsc::Receiver<()>,
    pub(super) notices: Notices,
    /// Where the keys are, and for how many more rounds.
    pub(super) place: Option<(Uri, u32)>,
    /// What the server said of the keys that are held, and when they came.
    pub(super) held: Option<(Held, Mono)>,
}

impl Task {
    /// Runs until neither a handle nor a receiver of the keys is left.
    pub(super) async fn run(mut self) {
        loop {
            let step = self.shared.machine(Machine::step);
            if step == Step::Expire {
                self.expire();
            }
            self.report_state();
            match step {
                Step::Expire => {}
                Step::Fetch => self.round().await,
                Step::Sleep(pause) => {
                    if !self.sleep(pause).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for the pause to end, or for a request to miss a key. `false` if no handle and no receiver is
    /// left.
    async fn sleep(&mut self, pause: Duration) -> bool {
        match timeout(pause, self.wake.recv()).await {
            Ok(Some(())) | Err(_) => true,
            // Without handles, receivers may be left.
            Ok(None) => timeout(pause, self.shared.keys.closed()).await.is_err(),
        }
    }

    async fn round(&mut self) {
        let result = self.fetch().await;
        // Without random bytes fetches are not spread, which is harmless.
        let random = getrandom::u64().unwrap_or_default();
        let error = match result {
            Ok(brought) => {
                self.keep(brought, random);
                None
            }
            Err(error) => {
                self.place = None;
                // The server does not know what it is asked about, so fetch unconditionally next.
                if error.kind() == RefreshErrorKind::NotModified {
                    self.held = None;
                }
                self.shared.machine(|machine, now| machine.failed(now, random));
                self.notices.failed(&error);
                Some(error)
            }
        };
        self.ended.send_modify(|ended| {
            *ended = Ended { number: ended.number.saturating_add(1), error };
        });
    }

    /// Fetches in a task of its own, so that a panic is a failure.
    async fn fetch(&self) -> Result<Brought, RefreshError> {
        let plan = Arc::clone(&self.plan);
        let place = self.place.as_ref().filter(|(_, rounds_left)| *rounds_left > 0);
        let keys_url = place.map(|(url, _)| url.clone());
        let now = self.shared.now();
        // A server that is wrong about changes keeps no key alive for longer than this.
        let is_recent = |(_, since): &&(Held, Mono)| now.saturating_since(*since) < LONGEST;
        let held = self.held.as_ref().filter(is_recent).map(|(held, _)| held.clone());
        let mut round = JoinSet::new();
        round.spawn(async move { plan.run(keys_url, held).await });
        match timeout(self.timeout, round.join_next()).await {
            Ok(Some(Ok(result))) => result,
            Ok(_) => Err(RefreshErrorKind::Stopped.into()),
            // Dropping the set drops the fetch.
            Err(_) => Err(RefreshErrorKind::Timeout.into()),
        }
    }

    fn keep(&mut self, brought: Brought, random: u64) {
        let Brought { keys, lifetime, keys_url, held } = brought;
        let now = self.shared.now();
        let rounds_left = match self.place {
            Some((_, left @ 1..)) => left - 1,
            _ => ROUNDS_PER_DISCOVERY,
        };
        self.place = Some((keys_url, rounds_left));
        let since = match (&keys, &self.held) {
            (None, Some((_, since))) => *since,
            _ => now,
        };
        self.held = held.map(|held| (held, since));
        let added = keys.map_or(0, |(keys, skipped)| {
            self.notices.skipped(&skipped);
            self.shared.skipped.store(Arc::new(skipped));
            self.replace(keys)
        });
        self.shared.machine(|machine, now| machine.succeeded(now, lifetime, added > 0, random));
        // Before the requests that wait for the round continue.
        self.report_state();
    }

    /// Replaces the keys, unless they are the same. Returns how many were not held before.
    fn replace(&self, keys: KeySet) -> usize {
        let before = Arc::clone(&self.shared.keys.borrow());
        let (added, removed) = (lacking(&before, &keys), lacking(&keys, &before));
        if (added, removed) != (0, 0) || !before.restricts_like(&keys) {
            self.shared.keys.send_replace(Arc::new(keys));
        }
        self.notices.changed(added, removed);
        added
    }

    /// Drops the keys.
    fn expire(&mut self) {
        self.held = None;
        let before = self.shared.keys.send_replace(Arc::new(KeySet::empty()));
        self.notices.changed(0, before.iter().len());
    }

    fn report_state(&mut self) {
        self.notices.state(self.shared.machine(|machine, now| machine.state(now)));
    }
}

/// How many of the keys `set` does not contain.
fn lacking(set: &KeySet, keys: &KeySet) -> usize {
    let is_in = |fingerprint| set.iter().any(|key| key.fingerprint() == fingerprint);
    keys.iter().filter(|key| !is_in(key.fingerprint())).count()
}
