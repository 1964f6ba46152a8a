//! Building a hedge policy.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Head, KeyExtractor, Telemetry, Time, event::CallHedged, event::HedgeResult};
use http::HeaderName;

use super::{
    HedgeLayer,
    pace::{Pace, Paces, Rules},
};
use crate::{
    Classifier, ConfigError, RetryBudget, RetryLayer,
    error::Mistakes,
    keyed::{Keyed, check_max_keys},
    retry::{ATTEMPT_HEADER, Budget, Budgets, IsRepeatable},
};

/// The longest ceiling.
const HOUR: Duration = Duration::from_hours(1);

/// Builds a [`HedgeLayer`].
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`percentile`](Self::percentile) | 0.95 |
/// | [`floor`](Self::floor) | 1 ms |
/// | [`ceiling`](Self::ceiling) | 1 s; in a [`ClientPolicy`](crate::ClientPolicy), half of the attempt's timeout |
/// | [`min_calls`](Self::min_calls) | 100 |
/// | [`budget`](Self::budget) | a tenth of the calls |
/// | [`by`](Self::by) | one destination |
/// | [`name`](Self::name) | `hedge` |
/// | [`repeatable`](Self::repeatable) | GET, HEAD, OPTIONS and TRACE |
/// | [`replay_limit`](Self::replay_limit) | 64 KiB |
/// | [`attempt_header`](Self::attempt_header) | `x-retry-attempt` |
/// | [`classifier`](Self::classifier) | [`Classifier::new`] |
/// | [`time`](Self::time) | the system's clock |
/// | [`telemetry`](Self::telemetry) | none |
#[derive(Clone)]
#[must_use]
pub struct HedgeBuilder {
    name: Cow<'static, str>,
    percentile: f64,
    floor: Duration,
    ceiling: Option<Duration>,
    min_calls: Option<u32>,
    keys: Option<(Arc<dyn KeyExtractor>, usize)>,
    budget: RetryBudget,
    /// Whether this layer deposits for each call. A retry further out does so for a budget that
    /// both share.
    deposits: bool,
    repeatable: Option<IsRepeatable>,
    replay_limit: usize,
    attempt_header: Option<HeaderName>,
    call_limit: Option<Duration>,
    classifier: Classifier,
    time: Time,
    telemetry: Telemetry,
}

/// What a layer's services share.
pub(super) struct Settings {
    name: Cow<'static, str>,
    pub(super) paces: Paces,
    pub(super) budgets: Budgets,
    pub(super) deposits: bool,
    pub(super) repeatable: Option<IsRepeatable>,
    pub(super) replay_limit: usize,
    pub(super) attempt_header: Option<HeaderName>,
    /// The longest time of a call, which a policy sets once for all requests.
    pub(super) call_limit: Option<Duration>,
    pub(super) classifier: Classifier,
    pub(super) time: Time,
    telemetry: OnceLock<Telemetry>,
}

impl HedgeBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: Cow::Borrowed("hedge"),
            percentile: 0.95,
            floor: Duration::from_millis(1),
            ceiling: None,
            min_calls: None,
            keys: None,
            budget: RetryBudget::default(),
            deposits: true,
            repeatable: None,
            replay_limit: 64 * 1024,
            attempt_header: Some(ATTEMPT_HEADER),
            call_limit: None,
            classifier: Classifier::new(),
            time: Time::system(),
            telemetry: Telemetry::none(),
        }
    }

    /// Sets the share of recent calls that answer before a hedge is due. Default: 0.95, which
    /// hedges one call in twenty: half of what the default budget pays for. A lower share hedges
    /// more calls and shortens the tail little more; above 0.99 the delay depends on few calls and
    /// varies. [`build`](Self::build) rejects a share below 0.5 or above 0.999.
    pub fn percentile(mut self, share: f64) -> Self {
        self.percentile = share;
        self
    }

    /// Sets the shortest delay before a hedge. Default: 1 ms, the resolution of tokio's timer. A
    /// higher floor spends no hedge on a destination that is fast enough anyway.
    pub fn floor(mut self, delay: Duration) -> Self {
        self.floor = delay;
        self
    }

    /// Sets the longest delay before a hedge. Default: 1 second: a later hedge rarely helps,
    /// because the caller has given up. If the percentile is above the ceiling, more calls are
    /// hedged, as far as the budget pays. [`build`](Self::build) rejects a ceiling below the floor
    /// or above an hour.
    pub fn ceiling(mut self, delay: Duration) -> Self {
        self.ceiling = Some(delay);
        self
    }

    /// Sets the number of calls whose durations are known before any is hedged. Default: 100, of
    /// which five are above the 95th percentile; more if a higher percentile needs them to have one
    /// call above it. A lower number hedges sooner after a start, but at an unreliable delay.
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = Some(calls);
        self
    }

    /// Sets the budget that pays for hedges, and into which each call deposits. Default: a new
    /// [`RetryBudget::default`]. A hedge costs as much as a retry. The budget pays for it from the
    /// deposits of calls, never from its reserve, so hedges add at most the budget's ratio to the
    /// load.
    pub fn budget(mut self, budget: &RetryBudget) -> Self {
        (self.budget, self.deposits) = (budget.clone(), true);
        self
    }

    /// Sets the budget of a [`RetryLayer`](crate::RetryLayer) outside of this layer. The retry
    /// layer deposits for each call, and retries and hedges together add at most the budget's ratio
    /// and reserve to the load.
    pub fn retry_budget(mut self, budget: &RetryBudget) -> Self {
        (self.budget, self.deposits) = (budget.clone(), false);
        self
    }

    /// Measures each key of a request, such as its [host](crate::key::host), separately, and gives
    /// it a budget with the settings of [`budget`](Self::budget), for at most `max_keys` keys.
    /// Default: one destination. A key takes about 5 KiB. A new key may replace one that was not
    /// used for a minute.
    pub fn by(self, key: impl KeyExtractor, max_keys: usize) -> Self {
        self.by_key(Arc::new(key), max_keys)
    }

    pub(crate) fn by_key(mut self, key: Arc<dyn KeyExtractor>, max_keys: usize) -> Self {
        self.keys = Some((key, max_keys));
        self
    }

    /// Sets the name in events and log lines. Default: `hedge`.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Declares which requests may be in flight twice at the same time, in addition to GET, HEAD,
    /// OPTIONS and TRACE. Default: none.
    ///
    /// A retry asks less of a request, since its first attempt has ended. Do not declare a write that
    /// a later one may overwrite: an instance that stalls with a PUT may store it after the caller,
    /// answered by the hedge, has stored something newer. And with an `Idempotency-Key` many
    /// destinations refuse the second attempt with 409 while the first is under way, which would then
    /// be the answer to the call.
    pub fn repeatable<F>(mut self, repeatable: F) -> Self
    where
        F: Fn(Head<'_>) -> bool + Send + Sync + 'static,
    {
        self.repeatable = Some(Arc::new(repeatable));
        self
    }

    /// Sets how much of a request body is kept for a hedge, in bytes. Default: 64 KiB. Each call in
    /// flight can take that much memory. A longer body is sent, and its call is not hedged. With 0,
    /// only requests without a body are hedged.
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.replay_limit = bytes;
        self
    }

    /// Sets the header that a hedge sends with the number of its attempt, 2. Default:
    /// `x-retry-attempt`; `None` sends none. A destination that reads the header does not retry its
    /// own calls for this one.
    pub fn attempt_header(mut self, name: Option<HeaderName>) -> Self {
        self.attempt_header = name;
        self
    }

    /// Sets how responses and errors are classified. Default: [`Classifier::new`].
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.classifier = classifier;
        self
    }

    /// Measures by `time`. Delays follow tokio's clock. Default: the system's clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Reports hedges to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Sets the time after which a layer further out ends each call, so that requests need not
    /// carry it.
    pub(crate) fn call_limit(mut self, limit: Duration) -> Self {
        self.call_limit = Some(limit);
        self
    }

    /// Sets the ceiling unless the user has set one.
    pub(crate) fn default_ceiling(mut self, delay: Duration) -> Self {
        self.ceiling = self.ceiling.or(Some(delay.max(self.floor)));
        self
    }

    /// The shortest delay.
    pub(crate) const fn shortest(&self) -> Duration {
        self.floor
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// [`ConfigError`] with every setting that can never work.
    pub fn build(self) -> Result<HedgeLayer, ConfigError> {
        self.build_paid_by(None)
    }

    /// Builds the layer of a policy, inside of its retry, whose budget pays.
    pub(crate) fn build_inside(mut self, retry: &RetryLayer) -> Result<HedgeLayer, ConfigError> {
        let Some(retry) = retry.settings() else { return self.build() };
        self.replay_limit = retry.replay_limit;
        self.attempt_header.clone_from(&retry.attempt_header);
        self.build_paid_by(Some(retry.budgets.clone()))
    }

    fn build_paid_by(self, retry: Option<Budgets>) -> Result<HedgeLayer, ConfigError> {
        let mut mistakes = Mistakes::default();
        self.check(&mut mistakes);
        mistakes.into_result()?;
        Ok(HedgeLayer::from_settings(self.into_settings(retry)))
    }

    /// Finds settings that can never work.
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        let Self { percentile, floor, .. } = self;
        let possible = (0.5..=0.999).contains(percentile);
        mistakes.expect(possible, "hedge.percentile", || {
            format!("is {percentile}; write a share from 0.5 to 0.999, such as 0.95")
        });
        let ceiling = self.ceiling_or_default();
        mistakes.expect(ceiling >= *floor && ceiling <= HOUR, "hedge.ceiling", || {
            format!("is {ceiling:?}; write {floor:?} (`hedge.floor`) to an hour")
        });
        let (calls, least) = (self.min_calls_or_default(), self.least_calls());
        mistakes.expect(calls >= least || !possible, "hedge.min_calls", || {
            format!("is {calls}, so no call is above the percentile; write at least {least}")
        });
        self.budget.check("hedge.budget", mistakes);
        mistakes.expect(!self.deposits || self.budget.earns_by_calls(), "hedge.budget", || {
            "earns by the successes that a retry records, and has none here; write \
             `RetryBudget::default()`, or `retry_budget` for the budget of a retry further out"
                .to_owned()
        });
        if let Some((_, max_keys)) = &self.keys {
            check_max_keys("hedge.max_keys", *max_keys, mistakes);
        }
    }

    fn into_settings(self, retry: Option<Budgets>) -> Settings {
        let rules = Rules {
            millionths: self.millionths(),
            min_calls: self.min_calls_or_default(),
            floor: self.floor,
            ceiling: self.ceiling_or_default(),
        };
        let deposits = self.deposits && retry.is_none();
        let mut budget = Budget::One(self.budget);
        let mut paces = Paces::One(Pace::new(rules));
        if let Some((key, max_keys)) = self.keys {
            if deposits {
                budget = budget.by(Arc::clone(&key), max_keys);
            }
            paces = Paces::Keyed(Keyed::new(Pace::new(rules), key, max_keys));
        }
        let telemetry = OnceLock::new();
        self.telemetry.fill(&telemetry);
        Settings {
            name: self.name,
            paces,
            budgets: retry.unwrap_or_else(|| budget.into()),
            deposits,
            repeatable: self.repeatable,
            replay_limit: self.replay_limit,
            attempt_header: self.attempt_header,
            call_limit: self.call_limit,
            classifier: self.classifier,
            time: self.time,
            telemetry,
        }
    }

    fn ceiling_or_default(&self) -> Duration {
        self.ceiling.unwrap_or(Duration::from_secs(1))
    }

    fn min_calls_or_default(&self) -> u32 {
        self.min_calls.unwrap_or_else(|| self.least_calls().max(100))
    }

    /// The fewest calls of which one is above the percentile.
    fn least_calls(&self) -> u32 {
        let above = (1_000_000 - self.millionths()).max(1);
        u32::try_from(1_000_000_u64.div_ceil(above)).unwrap_or(u32::MAX)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of 0 to 1; `check` reports others"
    )]
    fn millionths(&self) -> u64 {
        (self.percentile.clamp(0.0, 1.0) * 1e6).round() as u64
    }
}

impl Settings {
    pub(super) fn report_to(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.telemetry);
    }

    /// Reports the result of a hedge that was due.
    #[cold]
    pub(super) fn report(&self, result: HedgeResult) {
        tracing::debug!(
            target: "hardpoint::resilience::hedge",
            policy = &*self.name,
            result = result.as_str(),
            "a hedge was due"
        );
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&CallHedged::new(&self.name, result).into());
        }
    }
}

impl fmt::Debug for HedgeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeBuilder")
            .field("name", &self.name)
            .field("percentile", &self.percentile)
            .field("floor", &self.floor)
            .field("ceiling", &self.ceiling_or_default())
            .field("min_calls", &self.min_calls_or_default())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("name", &self.name).finish_non_exhaustive()
    }
}
