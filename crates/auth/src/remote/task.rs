//! The task that keeps the keys up to date: a thin shell around the state machine.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::Uri;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Fetch, RefreshError, RefreshErrorKind,
    keys::{Ended, Shared},
    machine::Step,
    round::{Brought, Plan},
};
use crate::KeySet;

/// Where the keys are is looked up again after this many rounds that went well, and after any that
/// did not.
const ROUNDS_PER_DISCOVERY: u32 = 24;

/// All that the task owns.
pub(super) struct Task<F> {
    pub(super) fetch: Arc<F>,
    pub(super) plan: Arc<Plan>,
    pub(super) shared: Arc<Shared>,
    pub(super) ended: watch::Sender<Ended>,
    pub(super) timeout: Duration,
    pub(super) wake: mpsc::Receiver<()>,
    pub(super) known: Option<Known>,
}

/// What was found out in the last round.
#[derive(Debug)]
pub(super) struct Known {
    keys_url: Uri,
    rounds_left: u32,
    skipped: usize,
}

impl<F: Fetch> Task<F> {
    /// Runs until there is neither a handle nor a receiver of the keys.
    pub(super) async fn run(mut self) {
        loop {
            let now = self.shared.now();
            let step = self.shared.machine().step(now);
            match step {
                Step::Expire => {
                    tracing::error!(
                        target: "hardpoint::auth::remote",
                        "the issuer's keys have expired"
                    );
                    self.shared.replace(None);
                }
                Step::Fetch => self.round().await,
                Step::Sleep(pause) => {
                    if !self.sleep(pause).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for the pause to end, or for somebody to miss a key. `false` if nobody is left.
    async fn sleep(&mut self, pause: Duration) -> bool {
        match timeout(pause, self.wake.recv()).await {
            Ok(Some(())) | Err(_) => true,
            // Without handles there may still be verifiers.
            Ok(None) => timeout(pause, self.shared.unwatched()).await.is_err(),
        }
    }

    async fn round(&mut self) {
        let result = self.fetch().await;
        let random = random();
        let now = self.shared.now();
        let error = match result {
            Ok(brought) => {
                self.keep(brought, random);
                None
            }
            Err(error) => {
                tracing::warn!(
                    target: "hardpoint::auth::remote",
                    reason = error.kind().as_str(),
                    cause = cause(&error),
                    "the issuer's keys could not be fetched"
                );
                self.known = None;
                self.shared.machine().failed(now, random);
                Some(error)
            }
        };
        self.ended.send_modify(|ended| {
            *ended = Ended { number: ended.number.saturating_add(1), error };
        });
    }

    /// Fetches in a task of its own: a fetch that panics is one that fails.
    async fn fetch(&self) -> Result<Brought, RefreshError> {
        let (fetch, plan) = (Arc::clone(&self.fetch), Arc::clone(&self.plan));
        let known = self.known.as_ref().filter(|known| known.rounds_left > 0);
        let keys_url = known.map(|known| known.keys_url.clone());
        let mut round = JoinSet::new();
        round.spawn(async move { plan.run(fetch.as_ref(), keys_url).await });
        match timeout(self.timeout, round.join_next()).await {
            Ok(Some(Ok(result))) => result,
            Ok(_) => Err(RefreshErrorKind::Stopped.into()),
            // Dropping the set drops the fetch.
            Err(_) => Err(RefreshErrorKind::Timeout.into()),
        }
    }

    fn keep(&mut self, brought: Brought, random: u64) {
        let Brought { keys, skipped, lifetime, keys_url } = brought;
        let before = self.known.take();
        if skipped > 0 && before.as_ref().is_none_or(|before| before.skipped != skipped) {
            tracing::warn!(
                target: "hardpoint::auth::remote",
                skipped,
                "some of the issuer's keys cannot be used"
            );
        }
        let rounds_left = match before {
            Some(Known { rounds_left: left @ 1.., .. }) => left - 1,
            _ => ROUNDS_PER_DISCOVERY,
        };
        self.known = Some(Known { keys_url, rounds_left, skipped });
        let new = match self.shared.usable() {
            Some(held) => !ids(&keys).is_subset(&ids(&held)),
            None => true,
        };
        self.shared.replace(Some(keys));
        let now = self.shared.now();
        self.shared.machine().succeeded(now, lifetime, new, random);
    }
}

fn ids(keys: &KeySet) -> BTreeSet<String> {
    keys.iter().map(|key| key.key_id().to_owned()).collect()
}

/// Without randomness fetches are not spread, which harms nobody.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
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
