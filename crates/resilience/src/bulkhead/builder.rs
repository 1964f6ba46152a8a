//! Building a concurrency limit.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{KeyExtractor, Telemetry};

use super::{ConcurrencyLimit, ConcurrencyLimits};
use crate::{ConfigError, error::Mistakes, keyed};

/// The most callers that a queue may hold. A queue that is longer than this hides an outage.
const MOST_WAITING: u32 = 100_000;
/// The longest wait.
const HOUR: Duration = Duration::from_hours(1);

/// Builds a [`ConcurrencyLimit`], or [`ConcurrencyLimits`] that share its settings.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`queue`](Self::queue) | none: a call that finds no permit is refused |
/// | [`telemetry`](Self::telemetry) | none |
#[derive(Clone, Debug)]
#[must_use]
pub struct ConcurrencyLimitBuilder {
    name: Cow<'static, str>,
    permits: u32,
    queue: Option<(u32, Duration)>,
    telemetry: Telemetry,
}

impl ConcurrencyLimitBuilder {
    pub(super) const fn new(name: Cow<'static, str>, permits: u32) -> Self {
        Self { name, permits, queue: None, telemetry: Telemetry::none() }
    }

    /// Lets up to `calls` calls wait in order of arrival, each for at most `max_wait`. Default: none.
    ///
    /// A queue absorbs short bursts. In an outage it only adds `max_wait` to the time that a caller
    /// needs to fail, and holds the memory of `calls` requests. 0 calls or a wait of 0 is a mistake:
    /// leave the setting out instead.
    pub fn queue(mut self, calls: u32, max_wait: Duration) -> Self {
        self.queue = Some((calls, max_wait));
        self
    }

    /// Whether calls may wait for a permit.
    pub(crate) const fn waits(&self) -> bool {
        self.queue.is_some()
    }

    /// Reports refusals to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds one limit, for all calls together.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build(self) -> Result<ConcurrencyLimit, ConfigError> {
        self.mistakes().into_result()?;
        Ok(ConcurrencyLimit::from_settings(&Arc::new(self.settings())))
    }

    /// Builds a limit for each key of a request, such as its [host](crate::key::host), with at most
    /// `max_keys` of them.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build_keyed(
        self,
        key: impl KeyExtractor,
        max_keys: usize,
    ) -> Result<ConcurrencyLimits, ConfigError> {
        let mut mistakes = self.mistakes();
        keyed::check_max_keys("bulkhead.max_keys", max_keys, &mut mistakes);
        mistakes.into_result()?;
        Ok(ConcurrencyLimits::new(Arc::new(self.settings()), Arc::new(key), max_keys))
    }

    /// The settings that can never work.
    pub(crate) fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let Self { name, permits, queue, .. } = self;
        mistakes.expect(!name.is_empty() && name.len() <= 64, "bulkhead.name", || {
            format!("has {} bytes; write a name of 1 to 64 bytes", name.len())
        });
        mistakes.expect(*permits > 0, "bulkhead.permits", || {
            "is 0, so every call is refused; write at least 1".to_owned()
        });
        if let Some((calls, max_wait)) = queue {
            mistakes.expect((1..=MOST_WAITING).contains(calls), "bulkhead.queue", || {
                format!(
                    "has room for {calls} calls; write 1 to {MOST_WAITING}, or leave the queue out"
                )
            });
            mistakes.expect(!max_wait.is_zero() && *max_wait <= HOUR, "bulkhead.queue", || {
                format!(
                    "waits for {max_wait:?}; write a wait of up to an hour, such as 100 ms, or \
                     leave the queue out"
                )
            });
        }
        mistakes
    }

    fn settings(self) -> Settings {
        let (max_waiting, max_wait) = self.queue.unwrap_or_default();
        let telemetry = OnceLock::new();
        self.telemetry.fill(&telemetry);
        let Self { name, permits, .. } = self;
        Settings { name: name.into(), permits, max_waiting, max_wait, telemetry }
    }
}

/// What limits of different keys share.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) permits: u32,
    pub(super) max_waiting: u32,
    pub(super) max_wait: Duration,
    pub(super) telemetry: OnceLock<Telemetry>,
}
