//! Building a client policy.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use hardpoint_core::{KeyExtractor, Telemetry, Time};

use super::{ClientPolicy, attempt::Guards, policy::Parts};
use crate::{
    Circuit, CircuitBuilder, Classifier, ConcurrencyLimit, ConcurrencyLimitBuilder, ConfigError,
    DeadlineHeader, HedgeBuilder, HedgeLayer, Jitter, RetryBuilder, RetryLayer,
    bulkhead::Limits,
    circuit_breaker::Guard,
    error::Mistakes,
    keyed::check_max_keys,
    timeout::{TimeoutLayer, check_limit},
};

/// Builds a [`ClientPolicy`].
///
/// # Defaults
///
/// | setting | `internal` | `external_api` |
/// |---|---|---|
/// | [`deadline`](Self::deadline) | 5 s | 15 s |
/// | [`attempt_timeout`](Self::attempt_timeout) | 1 s | 5 s |
/// | [`retry`](Self::retry) | [`RetryLayer::builder`] | [`RetryLayer::external_api`], without the attempt's number |
/// | [`hedge`](Self::hedge) | none | none |
/// | [`slow_after`](Self::slow_after) | half of the attempt's timeout | half of the attempt's timeout |
/// | [`circuit`](Self::circuit) | [`CircuitBuilder`] | [`CircuitBuilder`] |
/// | [`max_concurrent`](Self::max_concurrent) | 100 | 100 |
/// | [`propagate`](Self::propagate) | `grpc-timeout`, less 10 ms | nothing |
/// | [`by`](Self::by) | one state for all calls | one state for all calls |
/// | [`classifier`](Self::classifier) | [`Classifier::new`] | [`Classifier::new`] |
/// | [`time`](Self::time), [`jitter`](Self::jitter), [`telemetry`](Self::telemetry) | the system's clock, a random seed, none | the same |
#[must_use]
pub struct ClientPolicyBuilder {
    name: Cow<'static, str>,
    deadline: Duration,
    attempt_timeout: Duration,
    slow_after: Option<Duration>,
    retry: Option<RetryBuilder>,
    hedge: Option<HedgeBuilder>,
    circuit: Option<Vec<Change<CircuitBuilder>>>,
    max_concurrent: Option<u32>,
    bulkhead: Vec<Change<ConcurrencyLimitBuilder>>,
    propagation: Option<(DeadlineHeader, Duration)>,
    keys: Option<(Arc<dyn KeyExtractor>, usize)>,
    classifier: Option<Classifier>,
    time: Time,
    jitter: Option<Jitter>,
    telemetry: Telemetry,
}

/// A change of a part's builder. The part is made when all of the policy is known.
type Change<T> = Box<dyn FnOnce(T) -> T + Send>;

impl ClientPolicyBuilder {
    pub(super) fn internal(name: Cow<'static, str>) -> Self {
        let margin = Duration::from_millis(10);
        Self {
            name,
            deadline: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(1),
            slow_after: None,
            retry: Some(RetryLayer::builder()),
            hedge: None,
            circuit: Some(Vec::new()),
            max_concurrent: Some(100),
            bulkhead: Vec::new(),
            propagation: Some((DeadlineHeader::grpc(), margin)),
            keys: None,
            classifier: None,
            time: Time::system(),
            jitter: None,
            telemetry: Telemetry::none(),
        }
    }

    pub(super) fn external_api(name: Cow<'static, str>) -> Self {
        Self {
            deadline: Duration::from_secs(15),
            attempt_timeout: Duration::from_secs(5),
            retry: Some(RetryLayer::external_api().attempt_header(None)),
            propagation: None,
            ..Self::internal(name)
        }
    }

    /// Sets the longest time that a call may take, with all attempts and delays. It is the longest
    /// time that a caller waits for a destination that hangs. A time shorter than one attempt's
    /// timeout is a mistake.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// Sets the longest time that one attempt may take. A longer one leaves less time for retries. A
    /// time near the usual duration turns slowness into failures. 0 is a mistake.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// Sets the time after which an attempt counts as slow for the circuit breaker, and as failed if
    /// its caller gives it up. Default: half of the attempt's timeout.
    pub fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Changes the retry policy.
    ///
    /// ```
    /// # use hardpoint_resilience::{ClientPolicy, RetryBudget};
    /// let policy = ClientPolicy::internal("inventory")
    ///     .retry(|retry| retry.attempts(2).budget(&RetryBudget::ratio(0.05)))
    ///     .circuit(|circuit| circuit.consecutive_failures(10))
    ///     .build()?;
    /// # Ok::<(), hardpoint_resilience::ConfigError>(())
    /// ```
    pub fn retry(mut self, change: impl FnOnce(RetryBuilder) -> RetryBuilder) -> Self {
        self.retry = self.retry.map(change);
        self
    }

    /// Sends every call once.
    pub fn without_retry(mut self) -> Self {
        self.retry = None;
        self
    }

    /// Sends a second attempt when the first takes longer than nearly all others do, paid from the
    /// budget of the retries. Default: none. Turn it on for a destination of several instances, of
    /// which one may be slow: [`hedge`](crate::hedge) describes when it helps and what it costs. How
    /// much of a body is kept, the header with the attempt's number and the budget are those of
    /// [`retry`](Self::retry), if the policy retries: what `change` sets of them has no effect then.
    ///
    /// ```
    /// # use hardpoint_resilience::ClientPolicy;
    /// let policy = ClientPolicy::internal("search").hedge(|hedge| hedge.percentile(0.99)).build()?;
    /// # Ok::<(), hardpoint_resilience::ConfigError>(())
    /// ```
    pub fn hedge(mut self, change: impl FnOnce(HedgeBuilder) -> HedgeBuilder) -> Self {
        self.hedge = Some(change(self.hedge.unwrap_or_else(HedgeLayer::builder)));
        self
    }

    /// Changes the circuit breaker.
    pub fn circuit(
        mut self,
        change: impl FnOnce(CircuitBuilder) -> CircuitBuilder + Send + 'static,
    ) -> Self {
        if let Some(changes) = &mut self.circuit {
            changes.push(Box::new(change));
        }
        self
    }

    /// Calls the destination however often it fails.
    pub fn without_circuit(mut self) -> Self {
        self.circuit = None;
        self
    }

    /// Sets how many calls may be in flight. Default: 100. The destination gets no more calls at the
    /// same time from this process, and a destination that hangs holds no more of them. 0 is a
    /// mistake.
    pub fn max_concurrent(mut self, calls: u32) -> Self {
        self.max_concurrent = Some(calls);
        self
    }

    /// Changes the bulkhead, for example to let calls wait for a permit.
    pub fn bulkhead(
        mut self,
        change: impl FnOnce(ConcurrencyLimitBuilder) -> ConcurrencyLimitBuilder + Send + 'static,
    ) -> Self {
        self.bulkhead.push(Box::new(change));
        self
    }

    /// Allows any number of calls in flight.
    pub fn without_bulkhead(mut self) -> Self {
        self.max_concurrent = None;
        self
    }

    /// Sends the destination the time that is left of an attempt, less `margin`, in `header`. See
    /// [`TimeoutLayer::propagate`].
    pub fn propagate(mut self, header: DeadlineHeader, margin: Duration) -> Self {
        self.propagation = Some((header, margin));
        self
    }

    /// Gives each key of a request, such as its [host](crate::key::host), a circuit, permits and a
    /// budget of its own, for at most `max_keys` keys. Default: one state for all calls.
    pub fn by(mut self, key: impl KeyExtractor, max_keys: usize) -> Self {
        self.keys = Some((Arc::new(key), max_keys));
        self
    }

    /// Sets how responses and errors are classified, by all parts. Default: [`Classifier::new`].
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.classifier = Some(classifier);
        self
    }

    /// Reads the time from `time`, in all parts: a clock that is set inside of [`retry`](Self::retry),
    /// [`hedge`](Self::hedge) or [`circuit`](Self::circuit) has no effect. Timers follow tokio's
    /// clock. Default: the system's clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Sets the source of the jitter, of all parts. Default: one with a random seed.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Reports retries, hedges, refusals and changes of the circuit to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    /// [`ConfigError`] with the settings of all parts that can never work.
    pub fn build(mut self) -> Result<ClientPolicy, ConfigError> {
        let (retry, circuit, bulkhead) =
            (self.take_retry(), self.take_circuit(), self.take_limit());
        let hedge = self.take_hedge();
        let mut mistakes = Mistakes::default();
        check_limit(self.deadline, "client.deadline", &mut mistakes);
        check_limit(self.attempt_timeout, "client.attempt_timeout", &mut mistakes);
        mistakes.expect(self.attempt_timeout <= self.deadline, "client.deadline", || {
            let Self { deadline, attempt_timeout, .. } = &self;
            format!(
                "is {deadline:?}, shorter than the {attempt_timeout:?} of one attempt; write at \
                 least {attempt_timeout:?}, or a shorter `client.attempt_timeout`"
            )
        });
        if let Some(retry) = &retry {
            retry.check(&mut mistakes);
        }
        if let Some(hedge) = &hedge {
            hedge.check(&mut mistakes);
            let (floor, attempt) = (hedge.shortest(), self.attempt_timeout);
            mistakes.expect(floor < attempt, "hedge.floor", || {
                format!(
                    "is {floor:?}, so an attempt of {attempt:?} ends before its hedge is due; write \
                     less than {attempt:?}"
                )
            });
        }
        if let Some(circuit) = &circuit {
            mistakes.append(circuit.mistakes());
        }
        if let Some(bulkhead) = &bulkhead {
            mistakes.append(bulkhead.mistakes());
        }
        if let Some((_, max_keys)) = &self.keys {
            check_max_keys("client.max_keys", *max_keys, &mut mistakes);
        }
        mistakes.into_result()?;
        let time = self.time;
        let retry = retry.map_or(Ok(RetryLayer::off()), RetryBuilder::build)?;
        let hedge = hedge.map_or(Ok(HedgeLayer::off()), |hedge| hedge.build_inside(&retry))?;
        let mut deadline = TimeoutLayer::new(self.deadline)?.time(time.clone());
        if !bulkhead.as_ref().is_some_and(ConcurrencyLimitBuilder::waits) {
            // Without a queue, the whole time is left when the first attempt begins.
            deadline = deadline.without_extension();
        }
        let mut attempt =
            TimeoutLayer::new(self.attempt_timeout)?.time(time.clone()).without_extension();
        if let Some((header, margin)) = self.propagation {
            attempt = attempt.propagate(header, margin);
        }
        let key = self.keys.map(|(key, max_keys)| (SharedKey(key), max_keys));
        let circuits = match (circuit, &key) {
            (None, _) => Guard::Off,
            (Some(circuit), None) => Guard::One(circuit.build()?),
            (Some(circuit), Some((key, max_keys))) => {
                Guard::Keyed(circuit.build_keyed(key.clone(), *max_keys)?)
            }
        };
        let limits = match (bulkhead, &key) {
            (None, _) => Limits::Off,
            (Some(limit), None) => Limits::One(limit.build()?),
            (Some(limit), Some((key, max_keys))) => {
                Limits::Keyed(limit.build_keyed(key.clone(), *max_keys)?)
            }
        };
        let guards = Guards { circuits, limits, timeout: attempt.settings().cloned(), time };
        let parts = Parts { deadline, retry, hedge, attempt: Some(Arc::new(guards)) };
        Ok(ClientPolicy::new(self.name, parts))
    }

    fn take_retry(&mut self) -> Option<RetryBuilder> {
        let mut retry = self.retry.take()?.name(self.name.clone()).telemetry(&self.telemetry);
        retry = retry.call_limit(self.deadline);
        if let Some(classifier) = &self.classifier {
            retry = retry.classifier(classifier.clone());
        }
        retry = retry.time(self.time.clone());
        if let Some(jitter) = &self.jitter {
            retry = retry.jitter(jitter.clone());
        }
        if let Some((key, max_keys)) = &self.keys {
            retry = retry.budget_by_key(Arc::clone(key), *max_keys);
        }
        Some(retry)
    }

    fn take_hedge(&mut self) -> Option<HedgeBuilder> {
        let mut hedge = self.hedge.take()?.name(self.name.clone()).telemetry(&self.telemetry);
        hedge = hedge.default_ceiling(self.attempt_timeout / 2).call_limit(self.deadline);
        if let Some(classifier) = &self.classifier {
            hedge = hedge.classifier(classifier.clone());
        }
        hedge = hedge.time(self.time.clone());
        if let Some((key, max_keys)) = &self.keys {
            hedge = hedge.by_key(Arc::clone(key), *max_keys);
        }
        Some(hedge)
    }

    fn take_circuit(&mut self) -> Option<CircuitBuilder> {
        let changes = self.circuit.take()?;
        let slow_after = self.slow_after.unwrap_or(self.attempt_timeout / 2);
        let circuit = Circuit::builder(self.name.clone(), slow_after).telemetry(&self.telemetry);
        let mut circuit = changes.into_iter().fold(circuit, |circuit, change| change(circuit));
        if let Some(classifier) = &self.classifier {
            circuit = circuit.classifier(classifier.clone());
        }
        circuit = circuit.time(self.time.clone());
        if let Some(jitter) = &self.jitter {
            circuit = circuit.jitter(jitter.clone());
        }
        Some(circuit)
    }

    fn take_limit(&mut self) -> Option<ConcurrencyLimitBuilder> {
        let permits = self.max_concurrent?;
        let limit = ConcurrencyLimit::builder(self.name.clone(), permits);
        let limit = limit.telemetry(&self.telemetry);
        let changes = std::mem::take(&mut self.bulkhead);
        Some(changes.into_iter().fold(limit, |limit, change| change(limit)))
    }
}

/// The key of several parts.
#[derive(Clone)]
struct SharedKey(Arc<dyn KeyExtractor>);

impl KeyExtractor for SharedKey {
    fn key<'a>(
        &self,
        head: hardpoint_core::Head<'a>,
    ) -> Result<hardpoint_core::Key<'a>, hardpoint_core::KeyMissing> {
        self.0.key(head)
    }
}

impl fmt::Debug for ClientPolicyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPolicyBuilder")
            .field("name", &self.name)
            .field("deadline", &self.deadline)
            .field("attempt_timeout", &self.attempt_timeout)
            .finish_non_exhaustive()
    }
}
