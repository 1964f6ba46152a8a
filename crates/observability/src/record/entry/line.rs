//! The access line of a record: whether the request has one, and its fields.

use std::time::Duration;

use hardpoint_core::{Mono, Outcome, event::Ending};
use tracing::{Level, span::Id};

use super::{Entry, UNMATCHED};
use crate::record::{
    address::AddressText,
    facts::{address, beginning},
    grpc::{Code, End},
    notes,
};

/// The target of the access line.
pub(crate) const TARGET: &str = "hardpoint::access";

impl Entry {
    /// The number of requests of its kind without a line before this one, if this request has a
    /// line. Every request that was neither rejected nor successful has one.
    pub(super) fn unlogged(&self, ending: Ending, now: Mono, duration: Duration) -> Option<u64> {
        let rejected = match ending {
            Ending::Known(outcome) => outcome == Outcome::Rejected,
            _ => self.status().is_some_and(|status| status.is_client_error()),
        };
        if rejected {
            self.settings.sample.rejection(now)
        } else if matches!(ending, Ending::Ok) {
            self.settings.sample.success(self.context.trace(), duration)
        } else {
            Some(0)
        }
    }

    /// Writes the line. `unlogged` requests of its kind had none before it.
    pub(super) fn write_line(&self, ending: Ending, duration: Duration, unlogged: u64) {
        let hex = &mut [0; 32];
        let trace_id = self.context.trace().map(|trace| trace.trace_id.encode(hex));
        let client = address(&self.context).map(AddressText::new);
        // The fields in one place. tracing requires a separate callsite for each level.
        macro_rules! line {
            ($level:expr, $ending:expr) => {
                tracing::event!(
                    target: TARGET,
                    parent: self.line_parent(),
                    $level,
                    // Already a text, so it needs no formatting.
                    message = "request",
                    request_id = self.context.request_id().map(|id| id.as_str()),
                    trace_id,
                    correlation_id = self.context.correlation_id().map(|id| id.as_str()),
                    method = self.method,
                    route = self.route().unwrap_or(UNMATCHED),
                    query = self.query.as_deref(),
                    status = self.status().map(|status| status.as_u16()),
                    grpc_status = self.grpc.and_then(End::code).map(Code::number),
                    outcome = $ending.as_str(),
                    error = self.error.as_deref(),
                    duration_ms = millis(duration),
                    ttfb_ms = self.first_byte.map(|at| millis(self.since_received(at))),
                    bytes_in = self.bytes_in,
                    bytes_out = self.bytes_out,
                    client = client.as_ref().map(AddressText::as_str),
                    subject = self.context.subject(),
                    user_agent = self.user_agent.as_ref().map(beginning).as_deref(),
                    notes = notes::json(&self.context).map(tracing::field::display),
                    unlogged = (unlogged > 0).then_some(unlogged),
                )
            };
        }
        match level(ending) {
            Level::ERROR => line!(Level::ERROR, ending),
            Level::WARN => line!(Level::WARN, ending),
            _ => line!(Level::INFO, ending),
        }
    }

    /// The span whose fields the line inherits: the request's, for its `span_id`, if the request
    /// has one. The line has its own values of all other fields.
    fn line_parent(&self) -> Option<Id> {
        self.exported.as_ref().and_then(|_| self.span.id())
    }
}

/// Failures and panics are errors, overload and timeouts are warnings. Anything a client causes is
/// neither.
const fn level(ending: Ending) -> Level {
    match ending {
        Ending::Known(Outcome::Failed | Outcome::Panicked) => Level::ERROR,
        Ending::Known(Outcome::Shed | Outcome::TimedOut) => Level::WARN,
        _ => Level::INFO,
    }
}

/// Converts to milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
