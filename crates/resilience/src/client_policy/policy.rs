//! The policy and its layer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{
    ClientPolicyBuilder, GuardedClient,
    attempt::{Attempt, Guards},
    attempts::Attempts,
};
use crate::{
    Circuit, Circuits, ConcurrencyLimit, ConcurrencyLimits, HedgeLayer, RetryLayer, TimeoutLayer,
    bulkhead::Limits, circuit_breaker::Guard,
};

/// All policies for calls to a destination. See the [module docs](super). Clones share its state.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientPolicy {
    name: Cow<'static, str>,
    parts: Parts,
}

/// The parts of a policy. Clones of a part share its state.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) deadline: TimeoutLayer,
    pub(super) retry: RetryLayer,
    pub(super) hedge: HedgeLayer,
    /// `None` in [`ClientPolicyLayer::off`].
    pub(super) attempt: Option<Arc<Guards>>,
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

    pub(super) const fn new(name: Cow<'static, str>, parts: Parts) -> Self {
        Self { name, parts }
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
        match &self.guards()?.circuits {
            Guard::One(circuit) => Some(circuit),
            _ => None,
        }
    }

    /// The circuits of a policy that has one for each key.
    #[must_use]
    pub fn circuits(&self) -> Option<&Circuits> {
        match &self.guards()?.circuits {
            Guard::Keyed(circuits) => Some(circuits),
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
        match &self.guards()?.limits {
            Limits::One(limit) => Some(limit),
            _ => None,
        }
    }

    /// The concurrency limits of a policy that has one for each key.
    #[must_use]
    pub fn limits(&self) -> Option<&ConcurrencyLimits> {
        match &self.guards()?.limits {
            Limits::Keyed(limits) => Some(limits),
            _ => None,
        }
    }

    fn guards(&self) -> Option<&Guards> {
        self.parts.attempt.as_deref()
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
            attempt: None,
        };
        Self { parts }
    }

    /// Reports to `telemetry`, unless the policy has an observer already.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        let Parts { deadline, retry, hedge, attempt } = self.parts;
        if let Some(guards) = &attempt {
            guards.circuits.report_to(telemetry);
            guards.limits.report_to(telemetry);
        }
        let (retry, hedge) = (retry.telemetry(telemetry), hedge.telemetry(telemetry));
        Self { parts: Parts { deadline, retry, hedge, attempt } }
    }
}

impl<S> Layer<S> for ClientPolicyLayer {
    type Service = GuardedClient<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Parts { deadline, retry, hedge, attempt } = &self.parts;
        let attempts = Attempts::new(hedge.hedging(Attempt::new(inner, attempt.clone())));
        GuardedClient::new(attempts, retry.settings().cloned(), deadline.settings().cloned())
    }
}
