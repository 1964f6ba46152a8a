//! Turns the events of hardpoint's layers into metrics.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hardpoint_core::{
    Event, Observer, Outcome, Readiness,
    event::{CallEnded, Ending, KeySetState, LinkState},
};
use http::StatusCode;

use super::{
    Bounds, MetricsBuilder, Unit,
    family::{Family, Kind, Metric, Shape},
    http::Http,
    instrument,
};

/// The bounds of commands to a server nearby, in seconds.
const COMMAND: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// The observer that counts events.
///
/// For a new kind of event: a field, its declaration, and an arm of [`Observer::on`]; then a row in
/// the module docs and in the golden file of the tests.
pub(super) struct EventMetrics {
    http: Http,
    api_keys: Arc<Family>,
    attempts: Arc<Family>,
    calls: Arc<Family>,
    checks: Arc<Family>,
    circuits: Arc<Family>,
    decisions: Arc<Family>,
    hedges: Arc<Family>,
    key_set_changes: Arc<Family>,
    key_set_failures: Arc<Family>,
    key_set_skips: Arc<Family>,
    key_set_states: Arc<Family>,
    link_commands: Arc<Family>,
    link_states: Arc<Family>,
    messages: Arc<Family>,
    near_limits: Arc<Family>,
    one_time_tokens: Arc<Family>,
    passwords: Arc<Family>,
    readiness: Arc<Family>,
    refreshes: Arc<Family>,
    refused_calls: Arc<Family>,
    retries: Arc<Family>,
    reuses: Arc<Family>,
    settlements_lost: Arc<Family>,
    stale_copies: Arc<Family>,
    store_failures: Arc<Family>,
    verifications: Arc<Family>,
}

impl EventMetrics {
    pub(super) fn declare(metrics: &mut MetricsBuilder) -> Self {
        Self {
            http: Http::declare(metrics),
            calls: metrics.durations(
                "http_client_request_duration_seconds",
                &["destination", "http_request_method", "http_response_status_code", "error_type"],
                Bounds::SECONDS,
                "Time of outgoing calls until the head of the response, each attempt by itself.",
            ),
            api_keys: metrics.events(
                "hardpoint_auth_api_keys_total",
                &["result"],
                "API keys that were verified: ok, or the reason for the refusal.",
            ),
            attempts: metrics.events(
                "hardpoint_auth_login_attempts_total",
                &["result", "lane", "decider"],
                "Attempts to log in that were settled or refused, by the lane that counted them.",
            ),
            checks: metrics.states(
                "hardpoint_health_check_up",
                &["check"],
                "1 if the check passed the last time it ran, else 0.",
            ),
            circuits: metrics.events(
                "hardpoint_resilience_circuit_changes_total",
                &["circuit", "state"],
                "Circuits that entered a state.",
            ),
            decisions: metrics.events(
                "hardpoint_ratelimit_decisions_total",
                &["policy", "decision", "decider"],
                "Decisions of rate limits: allowed, denied, or would_deny by a shadow policy.",
            ),
            hedges: metrics.events(
                "hardpoint_resilience_hedges_total",
                &["policy", "result"],
                "Hedges of outgoing calls that were due: which attempt was returned, or why none was sent.",
            ),
            key_set_changes: metrics.events(
                "hardpoint_auth_key_set_changes_total",
                &["key_set", "change"],
                "Keys that an issuer added or removed.",
            ),
            key_set_failures: metrics.events(
                "hardpoint_auth_key_set_fetch_failures_total",
                &["key_set", "reason"],
                "Failed attempts to fetch the keys of an issuer.",
            ),
            key_set_skips: metrics.events(
                "hardpoint_auth_key_set_keys_skipped_total",
                &["key_set", "reason"],
                "Keys of an issuer that cannot be used.",
            ),
            key_set_states: metrics.states(
                "hardpoint_auth_key_set_state",
                &["key_set", "state"],
                "1 for the current state of an issuer's keys, 0 for the others.",
            ),
            link_commands: metrics.durations(
                "hardpoint_link_command_duration_seconds",
                &["link", "result"],
                Bounds::new(COMMAND),
                "Time of commands to a server: ok, or the reason for the failure.",
            ),
            link_states: metrics.states(
                "hardpoint_link_state",
                &["link", "state"],
                "1 for the current state of the link to a server, 0 for the others.",
            ),
            messages: metrics.events(
                "hardpoint_auth_messages_total",
                &["result"],
                "Messages to users: sent, failed, or dropped because the queue was full.",
            ),
            near_limits: metrics.events(
                "hardpoint_ratelimit_near_limits_total",
                &["policy"],
                "Admitted requests that left their key with fewer cells than the warning level.",
            ),
            one_time_tokens: metrics.events(
                "hardpoint_auth_one_time_tokens_total",
                &["purpose", "result"],
                "One-time tokens that were requested, made or presented, by what became of them.",
            ),
            passwords: metrics.events(
                "hardpoint_auth_passwords_total",
                &["result"],
                "Passwords that were hashed, verified, shed because the queue was full, or failed.",
            ),
            readiness: metrics.states(
                "hardpoint_health_readiness",
                &["state"],
                "1 for the current readiness of the service, 0 for the others.",
            ),
            refreshes: metrics.events(
                "hardpoint_auth_session_refreshes_total",
                &["result"],
                "Refresh tokens that were presented, by what became of them.",
            ),
            refused_calls: metrics.events(
                "hardpoint_resilience_refused_calls_total",
                &["policy", "guard"],
                "Outgoing calls that a circuit breaker or a bulkhead refused.",
            ),
            retries: metrics.events(
                "hardpoint_resilience_failed_attempts_total",
                &["policy", "result"],
                "Failed attempts of outgoing calls: retried, or why not.",
            ),
            reuses: metrics.events(
                "hardpoint_auth_session_reuses_total",
                &["same_network", "same_user_agent"],
                "Refresh tokens that were used twice, by whether both clients look the same.",
            ),
            settlements_lost: metrics.events(
                "hardpoint_store_settlements_lost_total",
                &["store"],
                "Settlements that a store could not queue or send.",
            ),
            stale_copies: metrics.events(
                "hardpoint_resilience_stale_copies_total",
                &["copies", "result"],
                "Failed calls whose last good response was looked for: served, absent, or expired.",
            ),
            store_failures: metrics.events(
                "hardpoint_store_failures_total",
                &["store", "reason"],
                "Decisions that the failure policy took because a store did not answer.",
            ),
            verifications: metrics.events(
                "hardpoint_auth_verifications_total",
                &["result"],
                "Tokens that were verified: ok, or the reason for the refusal.",
            ),
        }
    }
}

impl EventMetrics {
    fn call_ended(&self, event: &CallEnded<'_>) {
        let status = event.status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.as_ref().map(StatusCode::as_str).unwrap_or_default();
        let error = match event.ending {
            Ending::Ok => "",
            Ending::Known(Outcome::Failed) if !status.is_empty() => status,
            other => other.as_str(),
        };
        observe(&self.calls, &[event.destination, event.method, status, error], event.duration);
    }
}

impl Observer for EventMetrics {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::ApiKeyVerified(event) => {
                let result = event.result.map_or_else(|kind| kind.as_str(), |()| "ok");
                count(&self.api_keys, &[result], 1);
            }
            Event::CallEnded(event) => self.call_ended(event),
            Event::CallHedged(event) => {
                count(&self.hedges, &[event.policy, event.result.as_str()], 1);
            }
            Event::CallRefused(event) => {
                count(&self.refused_calls, &[event.policy, event.guard.as_str()], 1);
            }
            Event::CallRetried(event) => {
                let result = event.result.map_or_else(|stop| stop.as_str(), |()| "retried");
                count(&self.retries, &[event.policy, result], 1);
            }
            Event::CheckChanged(event) => set(&self.checks, &[event.check], event.healthy),
            Event::CircuitChanged(event) => {
                count(&self.circuits, &[event.circuit, event.state.as_str()], 1);
            }
            Event::KeySetChanged(event) => {
                let changes = [("added", event.added), ("removed", event.removed)];
                for (change, keys) in changes {
                    let keys = u64::try_from(keys).unwrap_or(u64::MAX);
                    count(&self.key_set_changes, &[event.key_set, change], keys);
                }
            }
            Event::KeySetFetchFailed(event) => {
                count(&self.key_set_failures, &[event.key_set, event.kind.as_str()], 1);
            }
            Event::KeySetKeySkipped(event) => {
                count(&self.key_set_skips, &[event.key_set, event.reason], 1);
            }
            Event::KeySetStateChanged(event) => {
                for state in [KeySetState::Expired, KeySetState::Fresh, KeySetState::Stale] {
                    let labels = [event.key_set, state.as_str()];
                    set(&self.key_set_states, &labels, state == event.state);
                }
            }
            Event::Limited(event) => {
                let decision = match (event.allowed, event.enforced) {
                    (true, _) => "allowed",
                    (false, true) => "denied",
                    (false, false) => "would_deny",
                };
                let labels = [event.policy, decision, event.decider.as_str()];
                count(&self.decisions, &labels, 1);
            }
            Event::LinkAnswered(event) => {
                let result = event.result.map_or_else(|kind| kind.as_str(), |()| "ok");
                observe(&self.link_commands, &[event.link, result], event.took);
            }
            Event::LinkChanged(event) => {
                for state in [LinkState::Connecting, LinkState::Down, LinkState::Up] {
                    let labels = [event.link, state.as_str()];
                    set(&self.link_states, &labels, state == event.state);
                }
            }
            Event::LoginAttempted(event) => {
                let labels = [event.result.as_str(), event.lane.as_str(), event.decider.as_str()];
                count(&self.attempts, &labels, 1);
            }
            Event::MessageDelivered(event) => count(&self.messages, &[event.result.as_str()], 1),
            Event::NearLimit(event) => count(&self.near_limits, &[event.policy], 1),
            Event::OneTimeTokenUsed(event) => {
                count(&self.one_time_tokens, &[event.purpose, event.result.as_str()], 1);
            }
            Event::PasswordChecked(event) => count(&self.passwords, &[event.result.as_str()], 1),
            Event::ReadinessChanged(event) => {
                for state in [
                    Readiness::Draining,
                    Readiness::NotReady,
                    Readiness::Ready,
                    Readiness::Starting,
                ] {
                    set(&self.readiness, &[state.as_str()], state == event.readiness);
                }
            }
            Event::RequestEnded(event) => self.http.ended(event),
            Event::RequestStarted(event) => self.http.started(event),
            Event::SessionRefreshed(event) => count(&self.refreshes, &[event.result.as_str()], 1),
            Event::SessionReused(event) => {
                let labels = [known(event.same_network), known(event.same_user_agent)];
                count(&self.reuses, &labels, 1);
            }
            Event::SettlementsLost(event) => {
                count(&self.settlements_lost, &[event.store.as_str()], event.lost);
            }
            Event::StaleCopySought(event) => {
                count(&self.stale_copies, &[event.copies, event.result.as_str()], 1);
            }
            Event::StoreFailed(event) => {
                count(&self.store_failures, &[event.store.as_str(), event.kind.as_str()], 1);
            }
            Event::TokenVerified(event) => {
                let result = event.result.map_or_else(|kind| kind.as_str(), |()| "ok");
                count(&self.verifications, &[result], 1);
            }
            // A kind of a newer core.
            _ => {}
        }
    }
}

impl MetricsBuilder {
    /// A counter of events by these labels.
    fn events(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Arc<Family> {
        let shape = Shape { integers: 1, ..Shape::default() };
        self.labelled(name, labels, help, Kind::Counter(0), shape)
    }

    /// A gauge that is 0 or 1.
    fn states(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Arc<Family> {
        self.labelled(name, labels, help, Kind::Gauge, Shape::default())
    }

    /// A histogram of seconds.
    fn durations(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        bounds: Bounds,
        help: &'static str,
    ) -> Arc<Family> {
        let mut shape = Shape::default();
        let kind = self.histogram_kind(name, bounds, false, &mut shape);
        let metric = Metric { name, unit: Unit::SECONDS.as_str(), help, kind };
        self.group(labels, vec![metric], shape)
    }

    /// A count that goes up and down.
    pub(super) fn in_flight(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Arc<Family> {
        let shape = Shape { integers: 1, ..Shape::default() };
        self.labelled(name, labels, help, Kind::UpDown(0), shape)
    }

    fn labelled(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
        kind: Kind,
        shape: Shape,
    ) -> Arc<Family> {
        let metric = Metric { name, unit: Unit::NONE.as_str(), help, kind };
        self.group(labels, vec![metric], shape)
    }
}

/// Adds a duration to a histogram of seconds, the only metric of its family.
fn observe(family: &Family, labels: &[&str], duration: Duration) {
    let (seconds, bounds) = (duration.as_secs_f64(), family.bounds(0));
    let (bucket, sum) = (instrument::bucket(bounds, seconds), bounds.as_slice().len() + 1);
    family.with_values(values(labels), |series| {
        instrument::write(series, bucket, |cell| cell.add(1));
        instrument::write(series, sum, |cell| cell.add_float(seconds));
    });
}

fn count(family: &Family, labels: &[&str], number: u64) {
    family.with_values(values(labels), |series| {
        instrument::write(series, 0, |cell| cell.add(number));
    });
}

fn set(family: &Family, labels: &[&str], state: bool) {
    let value = f64::from(u8::from(state)).to_bits();
    family.with_values(values(labels), |series| series.gauge.store(value, Ordering::Relaxed));
}

const fn known(answer: Option<bool>) -> &'static str {
    match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

fn values(labels: &[&str]) -> impl FnOnce(&mut dyn FnMut(&str)) {
    |add| labels.iter().for_each(|value| add(value))
}
