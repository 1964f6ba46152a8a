//! Events of outgoing calls and of what guards them.

use std::time::Duration;

use super::{Ending, Event};
use crate::TraceContext;

/// An outgoing call ended. A call that is retried reports each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// The name that the caller gave the destination, never its host.
    pub destination: &'a str,
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The status of the response. `None` if the call had none.
    pub status: Option<u16>,
    /// How the call ended: `Ok`, `Failed` (an error, or a status of 400 or more), or `Cancelled`.
    pub ending: Ending,
    /// The time until the head of the response, or until the call failed or was dropped.
    pub duration: Duration,
    /// The trace of the request that the call belongs to.
    pub trace: Option<TraceContext>,
}

impl<'a> CallEnded<'a> {
    /// Creates an event with these fields. The others can be set afterwards.
    #[must_use]
    pub const fn new(
        destination: &'a str,
        method: &'static str,
        ending: Ending,
        duration: Duration,
    ) -> Self {
        Self { destination, method, status: None, ending, duration, trace: None }
    }
}

impl<'a> From<CallEnded<'a>> for Event<'a> {
    fn from(event: CallEnded<'a>) -> Self {
        Self::CallEnded(event)
    }
}

/// The result of a hedge, a second attempt beside a slow first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HedgeResult {
    /// Not sent: the first attempt has not read the whole request body, or the body is longer than
    /// the policy keeps.
    Body,
    /// Not sent: calls have not yet earned a hedge in the budget.
    Budget,
    /// The call was dropped while the hedge was in flight.
    Cancelled,
    /// Both attempts failed.
    Failed,
    /// The first attempt answered; the hedge was dropped or had failed.
    First,
    /// The hedge answered; the first attempt was dropped or had failed.
    Hedge,
    /// Another policy of this process refused the hedge.
    Shed,
}

impl HedgeResult {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::First => "first",
            Self::Hedge => "hedge",
            Self::Shed => "shed",
        }
    }
}

/// A hedge, a second attempt beside a slow first one, was due, and its result is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallHedged<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// Which attempt was returned, or why no hedge was sent.
    pub result: HedgeResult,
}

impl<'a> CallHedged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, result: HedgeResult) -> Self {
        Self { policy, result }
    }
}

impl<'a> From<CallHedged<'a>> for Event<'a> {
    fn from(event: CallHedged<'a>) -> Self {
        Self::CallHedged(event)
    }
}

/// What refused an outgoing call before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallGuard {
    /// A bulkhead: too many calls are in flight.
    Bulkhead,
    /// A circuit breaker: the destination fails.
    CircuitBreaker,
}

impl CallGuard {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bulkhead => "bulkhead",
            Self::CircuitBreaker => "circuit_breaker",
        }
    }
}

/// A policy of this process refused an outgoing call before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRefused<'a> {
    /// The name of the circuit or of the concurrency limit.
    pub policy: &'a str,
    /// The kind of policy.
    pub guard: CallGuard,
}

impl<'a> CallRefused<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, guard: CallGuard) -> Self {
        Self { policy, guard }
    }
}

impl<'a> From<CallRefused<'a>> for Event<'a> {
    fn from(event: CallRefused<'a>) -> Self {
        Self::CallRefused(event)
    }
}

/// Why a failed call is not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryStop {
    /// The last attempt was made.
    Attempts,
    /// The request body was longer than the policy keeps, or failed.
    Body,
    /// The budget is empty.
    Budget,
    /// The retry would begin after the deadline.
    Deadline,
    /// The destination asks not to retry, or only after a longer time than the policy waits.
    Hint,
    /// The policy does not retry such a failure of such a request.
    Policy,
}

impl RetryStop {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Body => "body",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::Hint => "hint",
            Self::Policy => "policy",
        }
    }
}

/// An attempt of an outgoing call failed, and is retried or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRetried<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The attempt that failed, starting with 1.
    pub attempt: u32,
    /// `Ok` if another attempt follows, otherwise the reason why not.
    pub result: Result<(), RetryStop>,
}

impl<'a> CallRetried<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, attempt: u32, result: Result<(), RetryStop>) -> Self {
        Self { policy, attempt, result }
    }
}

impl<'a> From<CallRetried<'a>> for Event<'a> {
    fn from(event: CallRetried<'a>) -> Self {
        Self::CallRetried(event)
    }
}

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Calls pass, and their outcomes are counted.
    Closed,
    /// An operator turned the circuit off: calls pass, and no outcome is counted.
    Disabled,
    /// An operator opened the circuit: calls are refused until it is reset.
    ForcedOpen,
    /// A few trial calls pass.
    HalfOpen,
    /// Calls are refused.
    Open,
}

impl CircuitState {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// A circuit opened, became half-open or closed, or an operator steered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitChanged<'a> {
    /// The circuit's name. Circuits of different keys share the name of their settings.
    pub circuit: &'a str,
    /// The new state.
    pub state: CircuitState,
}

impl<'a> CircuitChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(circuit: &'a str, state: CircuitState) -> Self {
        Self { circuit, state }
    }
}

impl<'a> From<CircuitChanged<'a>> for Event<'a> {
    fn from(event: CircuitChanged<'a>) -> Self {
        Self::CircuitChanged(event)
    }
}

/// Whether a failed call got its last good response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleCopyResult {
    /// No copy is kept for this request.
    Absent,
    /// The copy is older than its maximum age.
    Expired,
    /// The caller got the copy.
    Served,
}

impl StaleCopyResult {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Expired => "expired",
            Self::Served => "served",
        }
    }
}

/// An outgoing call failed, and the layer looked for its last good response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleCopySought<'a> {
    /// The name of the copies.
    pub copies: &'a str,
    /// Whether the caller got a copy.
    pub result: StaleCopyResult,
}

impl<'a> StaleCopySought<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(copies: &'a str, result: StaleCopyResult) -> Self {
        Self { copies, result }
    }
}

impl<'a> From<StaleCopySought<'a>> for Event<'a> {
    fn from(event: StaleCopySought<'a>) -> Self {
        Self::StaleCopySought(event)
    }
}
