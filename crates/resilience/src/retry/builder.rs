//! Building a retry policy.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Head, KeyExtractor, Telemetry, Time};
use http::HeaderName;

use super::{
    RetryLayer, RetryTable,
    plan::Rules,
    repeat::{ATTEMPT_HEADER, IsRepeatable},
};
use crate::{
    Backoff, Classifier, ConfigError, Jitter, RetryBudget,
    error::Mistakes,
    keyed::{Keyed, check_max_keys},
};

/// Builds a [`RetryLayer`].
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`attempts`](Self::attempts) | 3 |
/// | [`backoff`](Self::backoff) | 50 ms, doubling up to 20 s, full jitter |
/// | [`throttled_backoff`](Self::throttled_backoff) | 1 s, doubling up to 20 s, full jitter |
/// | [`budget`](Self::budget) | a tenth of the calls and three retries a second |
/// | [`budget_by`](Self::budget_by) | one budget for all calls |
/// | [`name`](Self::name) | `retry` |
/// | [`table`](Self::table) | [`RetryTable::default`] |
/// | [`repeatable`](Self::repeatable) | by method and `Idempotency-Key` |
/// | [`max_retry_after`](Self::max_retry_after) | 30 s |
/// | [`replay_limit`](Self::replay_limit) | 64 KiB |
/// | [`drain_limit`](Self::drain_limit) | 16 KiB |
/// | [`grpc_wait`](Self::grpc_wait) | 100 ms |
/// | [`attempt_header`](Self::attempt_header) | `x-retry-attempt` |
/// | [`classifier`](Self::classifier) | [`Classifier::new`] |
/// | [`jitter`](Self::jitter) | a random seed |
/// | [`time`](Self::time) | the system's clock |
/// | [`telemetry`](Self::telemetry) | none |
#[derive(Clone)]
#[must_use]
pub struct RetryBuilder {
    settings: Settings,
    budget: Budget,
    telemetry: Telemetry,
}

/// The budget as configured.
#[derive(Clone)]
pub(crate) enum Budget {
    One(RetryBudget),
    Keyed(RetryBudget, Arc<dyn KeyExtractor>, usize),
}

impl Budget {
    /// The same budget for each of these keys.
    pub(crate) fn by(self, key: Arc<dyn KeyExtractor>, max_keys: usize) -> Self {
        Self::Keyed(self.into_pattern(), key, max_keys)
    }

    fn into_pattern(self) -> RetryBudget {
        match self {
            Self::One(budget) | Self::Keyed(budget, ..) => budget,
        }
    }

    /// Finds values that can never work.
    pub(crate) fn check(
        &self,
        (budget_setting, keys_setting): (&'static str, &'static str),
        mistakes: &mut Mistakes,
    ) {
        match self {
            Self::One(budget) => budget.check(budget_setting, mistakes),
            Self::Keyed(budget, _, max_keys) => {
                budget.check(budget_setting, mistakes);
                check_max_keys(keys_setting, *max_keys, mistakes);
            }
        }
    }
}

/// The budgets of a policy.
#[derive(Clone, Debug)]
pub(crate) enum Budgets {
    Keyed(Arc<Keyed<RetryBudget>>),
    One(RetryBudget),
}

impl From<Budget> for Budgets {
    fn from(budget: Budget) -> Self {
        match budget {
            Budget::One(budget) => Self::One(budget),
            Budget::Keyed(budget, key, max_keys) => {
                Self::Keyed(Arc::new(Keyed::new(budget, key, max_keys)))
            }
        }
    }
}

impl Budgets {
    /// Uses the budget of a request.
    pub(crate) fn with<T>(
        &self,
        head: Head<'_>,
        time: &Time,
        use_budget: impl FnOnce(&RetryBudget) -> T,
    ) -> T {
        match self {
            Self::Keyed(keyed) => {
                let fresh = || keyed.rest().fresh();
                keyed.with(head, || time.now(), fresh, use_budget)
            }
            Self::One(budget) => use_budget(budget),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) name: Cow<'static, str>,
    pub(crate) budgets: Budgets,
    pub(crate) rules: Rules,
    pub(crate) repeatable: Option<IsRepeatable>,
    pub(crate) replay_limit: usize,
    pub(crate) drain_limit: usize,
    pub(crate) grpc_wait: Duration,
    /// The longest time of a call, which a policy sets once for all requests.
    pub(crate) call_limit: Option<Duration>,
    pub(crate) attempt_header: Option<HeaderName>,
    pub(crate) classifier: Classifier,
    pub(crate) time: Time,
    pub(crate) telemetry: OnceLock<Telemetry>,
}

impl RetryBuilder {
    pub(super) fn new() -> Self {
        let throttled = Backoff::exponential(Duration::from_secs(1), Backoff::DEFAULT_CAP);
        let rules = Rules {
            attempts: 3,
            backoff: Backoff::default(),
            throttled_backoff: throttled,
            table: RetryTable::default(),
            max_retry_after: Duration::from_secs(30),
            jitter: Jitter::new(),
        };
        let settings = Settings {
            name: Cow::Borrowed("retry"),
            budgets: Budgets::One(RetryBudget::default()),
            rules,
            repeatable: None,
            replay_limit: 64 * 1024,
            drain_limit: 16 * 1024,
            grpc_wait: Duration::from_millis(100),
            call_limit: None,
            attempt_header: Some(ATTEMPT_HEADER),
            classifier: Classifier::new(),
            time: Time::system(),
            telemetry: OnceLock::new(),
        };
        let budget = Budget::One(RetryBudget::default());
        Self { settings, budget, telemetry: Telemetry::none() }
    }

    /// Sets the number of attempts, including the first. Default: 3. A fourth attempt rarely
    /// succeeds where three failed, and the caller waits for it. With 1 nothing is retried; 0 is a
    /// mistake.
    pub fn attempts(self, attempts: u32) -> Self {
        self.rules(|rules| rules.attempts = attempts)
    }

    /// Sets the delays before retries. Default: [`Backoff::default`].
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.rules(|rules| rules.backoff = backoff)
    }

    /// Sets the delays before retries of throttled calls. Default: 1 second, doubling up to 20
    /// seconds: a destination that asks for fewer calls needs longer than one that failed once.
    pub fn throttled_backoff(self, backoff: Backoff) -> Self {
        self.rules(|rules| rules.throttled_backoff = backoff)
    }

    /// Sets the budget. Default: a new [`RetryBudget::default`]. Layers for the same destination
    /// should share one.
    pub fn budget(self, budget: &RetryBudget) -> Self {
        Self { budget: Budget::One(budget.clone()), ..self }
    }

    /// Gives each key of a request, such as its [host](crate::key::host), a budget like the one
    /// that was set, and at most `max_keys` of them. Default: one budget for all calls, with which
    /// a destination that is down uses up the retries of the others.
    pub fn budget_by(self, key: impl KeyExtractor, max_keys: usize) -> Self {
        self.budget_by_key(Arc::new(key), max_keys)
    }

    pub(crate) fn budget_by_key(self, key: Arc<dyn KeyExtractor>, max_keys: usize) -> Self {
        Self { budget: self.budget.by(key, max_keys), ..self }
    }

    /// Sets the name in events and log lines. Default: `retry`.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets which failures are retried. Default: [`RetryTable::default`].
    pub fn table(self, table: RetryTable) -> Self {
        self.rules(|rules| rules.table = table)
    }

    /// Declares which requests may be sent twice, in addition to those whose method or
    /// `Idempotency-Key` declares it. Default: none. gRPC calls are all POST, so this is the way to
    /// retry them:
    ///
    /// ```
    /// # use hardpoint_resilience::RetryLayer;
    /// let retry = RetryLayer::builder().repeatable(|head| head.uri.path().contains("/Get"));
    /// # let _ = retry;
    /// ```
    pub fn repeatable<F>(mut self, repeatable: F) -> Self
    where
        F: Fn(Head<'_>) -> bool + Send + Sync + 'static,
    {
        self.settings.repeatable = Some(Arc::new(repeatable));
        self
    }

    /// Sets the longest `Retry-After` that a retry waits for. Default: 30 seconds. A response that
    /// asks for more is returned at once, so that the caller can decide. With 0, only a hint of 0
    /// seconds is waited for.
    pub fn max_retry_after(self, limit: Duration) -> Self {
        self.rules(|rules| rules.max_retry_after = limit)
    }

    /// Sets how much of a request body is kept for a retry, in bytes. Default: 64 KiB. Each call in
    /// flight can take as much memory. A longer body is sent, and its call is not retried. With 0,
    /// only requests without a body are retried.
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.settings.replay_limit = bytes;
        self
    }

    /// Sets how much of a failed response's body is read during the delay, in bytes, so that its
    /// connection can be used again. Default: 16 KiB. A body that is longer, or that has not ended
    /// when the delay has, is dropped with its connection. With 0, every body is dropped.
    pub fn drain_limit(mut self, bytes: usize) -> Self {
        self.settings.drain_limit = bytes;
        self
    }

    /// Sets how long the retry holds the head of a gRPC response for the first frame, which may be
    /// trailers that report a failure. Default: 100 ms, because a server that fails after it has
    /// sent its head does so at once. The caller gets the head of a silent stream that much later.
    /// With 0, the retry sees only trailers that are ready with the head.
    pub fn grpc_wait(mut self, wait: Duration) -> Self {
        self.settings.grpc_wait = wait;
        self
    }

    /// Sets the header that a retry sends with the number of the attempt. Default:
    /// `x-retry-attempt`; `None` sends none. A [`DeadlineLayer`](crate::DeadlineLayer) at the
    /// destination reads it, so that the destination does not retry its own calls for it.
    pub fn attempt_header(mut self, name: Option<HeaderName>) -> Self {
        self.settings.attempt_header = name;
        self
    }

    /// Sets how responses and errors are classified. Default: [`Classifier::new`].
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.settings.classifier = classifier;
        self
    }

    /// Sets the source of the jitter. Default: one with a random seed.
    pub fn jitter(self, jitter: Jitter) -> Self {
        self.rules(|rules| rules.jitter = jitter)
    }

    /// Measures by `time`. Delays follow tokio's clock. Default: the system's clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.settings.time = time.into();
        self
    }

    /// Reports retries to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Sets the time after which a layer further out ends each call, so that requests need not
    /// carry it.
    pub(crate) fn call_limit(mut self, limit: Duration) -> Self {
        self.settings.call_limit = Some(limit);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// [`ConfigError`] with every setting that can never work.
    pub fn build(self) -> Result<RetryLayer, ConfigError> {
        let mut mistakes = Mistakes::default();
        self.check(&mut mistakes);
        mistakes.into_result()?;
        Ok(RetryLayer::from_settings(self.into_settings()))
    }

    /// Finds settings that can never work.
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        let rules = &self.settings.rules;
        mistakes.expect(rules.attempts > 0, "retry.attempts", || {
            "is 0, so no call is ever sent; write 1 for calls without retries, or 3".to_owned()
        });
        rules.backoff.check("retry.backoff", mistakes);
        rules.throttled_backoff.check("retry.throttled_backoff", mistakes);
        self.budget.check(("retry.budget", "retry.max_keys"), mistakes);
    }

    pub(crate) fn into_settings(self) -> Settings {
        let Self { mut settings, budget, telemetry } = self;
        telemetry.fill(&settings.telemetry);
        settings.budgets = budget.into();
        settings
    }

    fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.settings.rules);
        self
    }
}

impl fmt::Debug for RetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
