//! The policy and its layer.

use std::{borrow::Cow, time::Duration};

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{ClientPolicyBuilder, GuardedClient};
use crate::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Circuits, ConcurrencyLimit, ConcurrencyLimits,
    HedgeLayer, RetryLayer, TimeoutLayer,
};

/// All policies for calls to a destination. See the [module docs](super). Clones share its state.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientPolicy {
    name: Cow<'static, str>,
    pub(super) parts: Parts,
    circuits: Option<Keys<Circuit, Circuits>>,
    limits: Option<Keys<ConcurrencyLimit, ConcurrencyLimits>>,
}

/// The layers, each of which shares its state among its clones.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) deadline: TimeoutLayer,
    pub(super) retry: RetryLayer,
    pub(super) hedge: HedgeLayer,
    pub(super) circuit: CircuitBreakerLayer,
    pub(super) bulkhead: BulkheadLayer,
    pub(super) attempt: TimeoutLayer,
}

#[derive(Clone, Debug)]
enum Keys<One, Many> {
    One(One),
    Many(Many),
}

impl ClientPolicy {
    /// Starts a policy for your own service, within a data centre: it may learn the deadline and
    /// the attempt's number. `name` appears in errors, logs and events.
    pub fn internal(name: impl Into<Cow<'static, str>>) -> ClientPolicyBuilder {
        ClientPolicyBuilder::internal(name.into())
    }

    /// Starts a policy for an external API: longer times, slower retries, and nothing is sent to
    /// it that the request does not contain. `name` appears in errors, logs and events.
    pub fn external_api(name: impl Into<Cow<'static, str>>) -> ClientPolicyBuilder {
        ClientPolicyBuilder::external_api(name.into())
    }

    pub(super) fn new(name: Cow<'static, str>, parts: Parts) -> Self {
        Self { name, parts, circuits: None, limits: None }
    }

    pub(super) fn with_circuit(mut self, circuit: Circuit) -> Self {
        self.parts.circuit = circuit.layer();
        self.circuits = Some(Keys::One(circuit));
        self
    }

    pub(super) fn with_circuits(mut self, circuits: Circuits) -> Self {
        self.parts.circuit = circuits.layer();
        self.circuits = Some(Keys::Many(circuits));
        self
    }

    pub(super) fn with_limit(mut self, limit: ConcurrencyLimit) -> Self {
        self.parts.bulkhead = limit.layer();
        self.limits = Some(Keys::One(limit));
        self
    }

    pub(super) fn with_limits(mut self, limits: ConcurrencyLimits) -> Self {
        self.parts.bulkhead = limits.layer();
        self.limits = Some(Keys::Many(limits));
        self
    }

    /// The layer. All layers of one policy share its state.
    pub fn layer(&self) -> ClientPolicyLayer {
        ClientPolicyLayer { parts: self.parts.clone() }
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The circuit, whose state a health check can report. `None` if the policy has none, or one for
    /// each key.
    #[must_use]
    pub fn circuit(&self) -> Option<&Circuit> {
        match &self.circuits {
            Some(Keys::One(circuit)) => Some(circuit),
            _ => None,
        }
    }

    /// The circuits of a policy that has one for each key.
    #[must_use]
    pub fn circuits(&self) -> Option<&Circuits> {
        match &self.circuits {
            Some(Keys::Many(circuits)) => Some(circuits),
            _ => None,
        }
    }

    /// The time after which a hedge is due at present. `None` if the policy does not hedge, has seen
    /// too few calls, or measures by key.
    #[must_use]
    pub fn hedge_delay(&self) -> Option<Duration> {
        self.parts.hedge.delay()
    }

    /// The concurrency limit. `None` if the policy has none, or one for each key.
    #[must_use]
    pub fn limit(&self) -> Option<&ConcurrencyLimit> {
        match &self.limits {
            Some(Keys::One(limit)) => Some(limit),
            _ => None,
        }
    }

    /// The concurrency limits of a policy that has one for each key.
    #[must_use]
    pub fn limits(&self) -> Option<&ConcurrencyLimits> {
        match &self.limits {
            Some(Keys::Many(limits)) => Some(limits),
            _ => None,
        }
    }
}

/// Guards calls to a destination. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientPolicyLayer {
    parts: Parts,
}

impl ClientPolicyLayer {
    /// The layer that does nothing.
    pub const fn off() -> Self {
        let parts = Parts {
            deadline: TimeoutLayer::off(),
            retry: RetryLayer::off(),
            hedge: HedgeLayer::off(),
            circuit: CircuitBreakerLayer::off(),
            bulkhead: BulkheadLayer::off(),
            attempt: TimeoutLayer::off(),
        };
        Self { parts }
    }

    /// Reports to `telemetry`, unless the policy has an observer already.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        let Parts { deadline, retry, hedge, circuit, bulkhead, attempt } = self.parts;
        let parts = Parts {
            deadline,
            retry: retry.telemetry(telemetry),
            hedge: hedge.telemetry(telemetry),
            circuit: circuit.telemetry(telemetry),
            bulkhead: bulkhead.telemetry(telemetry),
            attempt,
        };
        Self { parts }
    }
}

impl<S> Layer<S> for ClientPolicyLayer {
    type Service = GuardedClient<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Parts { deadline, retry, hedge, circuit, bulkhead, attempt } = &self.parts;
        let attempt = circuit.layer(bulkhead.layer(attempt.layer(inner)));
        GuardedClient::new(deadline.layer(retry.layer(hedge.hedging(attempt))))
    }
}
