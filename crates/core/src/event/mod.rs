//! The events that hardpoint's layers report to an [`Observer`](crate::Observer): one struct for
//! each kind of event.
//!
//! An event contains no secrets and no personal data: no keys, tokens, addresses or claims. It
//! borrows its fields, so an observer copies the ones it keeps. Minor versions add kinds, fields
//! and labels.

mod account;
mod call;
mod label;
mod session;

use std::time::Duration;

use crate::{Scheme, TraceContext};

pub use self::account::{
    AttemptLane, AttemptResult, DeliveryResult, LoginAttempted, MessageDelivered, OneTimeResult,
    OneTimeTokenUsed,
};
pub use self::call::CallEnded;
pub use self::label::{
    CallGuard, CircuitState, Decider, Ending, KeySetState, LinkState, PasswordResult, Readiness,
    RefreshErrorKind, RetryStop, StoreErrorKind, StoreKind, VerifyErrorKind,
};
pub use self::session::{RefreshResult, SessionRefreshed, SessionReused};

/// One decision or discovery of a hardpoint layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// See [`CallEnded`].
    CallEnded(CallEnded<'a>),
    /// See [`CallRefused`].
    CallRefused(CallRefused<'a>),
    /// See [`CallRetried`].
    CallRetried(CallRetried<'a>),
    /// See [`CheckChanged`].
    CheckChanged(CheckChanged<'a>),
    /// See [`CircuitChanged`].
    CircuitChanged(CircuitChanged<'a>),
    /// See [`KeySetChanged`].
    KeySetChanged(KeySetChanged<'a>),
    /// See [`KeySetFetchFailed`].
    KeySetFetchFailed(KeySetFetchFailed<'a>),
    /// See [`KeySetKeySkipped`].
    KeySetKeySkipped(KeySetKeySkipped<'a>),
    /// See [`KeySetStateChanged`].
    KeySetStateChanged(KeySetStateChanged<'a>),
    /// See [`Limited`].
    Limited(Limited<'a>),
    /// See [`LinkAnswered`].
    LinkAnswered(LinkAnswered<'a>),
    /// See [`LinkChanged`].
    LinkChanged(LinkChanged<'a>),
    /// See [`LoginAttempted`].
    LoginAttempted(LoginAttempted),
    /// See [`MessageDelivered`].
    MessageDelivered(MessageDelivered),
    /// See [`NearLimit`].
    NearLimit(NearLimit<'a>),
    /// See [`OneTimeTokenUsed`].
    OneTimeTokenUsed(OneTimeTokenUsed),
    /// See [`PasswordChecked`].
    PasswordChecked(PasswordChecked),
    /// See [`ReadinessChanged`].
    ReadinessChanged(ReadinessChanged),
    /// See [`RequestEnded`].
    RequestEnded(RequestEnded<'a>),
    /// See [`RequestStarted`].
    RequestStarted(RequestStarted),
    /// See [`SessionRefreshed`].
    SessionRefreshed(SessionRefreshed),
    /// See [`SessionReused`].
    SessionReused(SessionReused),
    /// See [`SettlementsLost`].
    SettlementsLost(SettlementsLost),
    /// See [`StoreFailed`].
    StoreFailed(StoreFailed),
    /// See [`TokenVerified`].
    TokenVerified(TokenVerified),
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

/// A health check's status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckChanged<'a> {
    /// The check's name.
    pub check: &'a str,
    /// Whether the check passes now.
    pub healthy: bool,
}

impl<'a> CheckChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(check: &'a str, healthy: bool) -> Self {
        Self { check, healthy }
    }
}

impl<'a> From<CheckChanged<'a>> for Event<'a> {
    fn from(event: CheckChanged<'a>) -> Self {
        Self::CheckChanged(event)
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

/// An issuer added or removed keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetChanged<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The number of keys that were not held before.
    pub added: usize,
    /// The number of keys that were removed.
    pub removed: usize,
}

impl<'a> KeySetChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, added: usize, removed: usize) -> Self {
        Self { key_set, added, removed }
    }
}

impl<'a> From<KeySetChanged<'a>> for Event<'a> {
    fn from(event: KeySetChanged<'a>) -> Self {
        Self::KeySetChanged(event)
    }
}

/// The keys of an issuer could not be fetched. The current keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetFetchFailed<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The reason.
    pub kind: RefreshErrorKind,
}

impl<'a> KeySetFetchFailed<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, kind: RefreshErrorKind) -> Self {
        Self { key_set, kind }
    }
}

impl<'a> From<KeySetFetchFailed<'a>> for Event<'a> {
    fn from(event: KeySetFetchFailed<'a>) -> Self {
        Self::KeySetFetchFailed(event)
    }
}

/// A key of an issuer's set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetKeySkipped<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The key's index in the set.
    pub position: usize,
    /// The key's id, if it has one. The issuer chooses it, so it is not for a label.
    pub key_id: Option<&'a str>,
    /// Why the key cannot be used, as one of a few words.
    pub reason: &'static str,
}

impl<'a> KeySetKeySkipped<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(
        key_set: &'a str,
        position: usize,
        key_id: Option<&'a str>,
        reason: &'static str,
    ) -> Self {
        Self { key_set, position, key_id, reason }
    }
}

impl<'a> From<KeySetKeySkipped<'a>> for Event<'a> {
    fn from(event: KeySetKeySkipped<'a>) -> Self {
        Self::KeySetKeySkipped(event)
    }
}

/// A key set became fresh, stale or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetStateChanged<'a> {
    /// The key set's name.
    pub key_set: &'a str,
    /// The new state.
    pub state: KeySetState,
}

impl<'a> KeySetStateChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(key_set: &'a str, state: KeySetState) -> Self {
        Self { key_set, state }
    }
}

impl<'a> From<KeySetStateChanged<'a>> for Event<'a> {
    fn from(event: KeySetStateChanged<'a>) -> Self {
        Self::KeySetStateChanged(event)
    }
}

/// A rate limiter decided on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limited<'a> {
    /// The policy that decided: the one that denied, or the one with the least room left.
    pub policy: &'a str,
    /// Whether the policy had room for the request.
    pub allowed: bool,
    /// Whether a denial refuses the request; `false` for a shadow policy.
    pub enforced: bool,
    /// Where it was decided.
    pub decider: Decider,
}

impl<'a> Limited<'a> {
    /// Creates the event of a decision in memory with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, allowed: bool, enforced: bool) -> Self {
        Self { policy, allowed, enforced, decider: Decider::Memory }
    }

    /// Sets where it was decided.
    #[must_use]
    pub const fn by(self, decider: Decider) -> Self {
        Self { decider, ..self }
    }
}

impl<'a> From<Limited<'a>> for Event<'a> {
    fn from(event: Limited<'a>) -> Self {
        Self::Limited(event)
    }
}

/// A command that was given to a link was answered, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkAnswered<'a> {
    /// The link's name.
    pub link: &'a str,
    /// `Ok` if the server answered in time, otherwise the reason.
    pub result: Result<(), StoreErrorKind>,
    /// The time since the command was given to the link. Zero if the link refused it at once.
    pub took: Duration,
}

impl<'a> LinkAnswered<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(link: &'a str, result: Result<(), StoreErrorKind>, took: Duration) -> Self {
        Self { link, result, took }
    }
}

impl<'a> From<LinkAnswered<'a>> for Event<'a> {
    fn from(event: LinkAnswered<'a>) -> Self {
        Self::LinkAnswered(event)
    }
}

/// A link to a server went up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkChanged<'a> {
    /// The link's name.
    pub link: &'a str,
    /// The new state.
    pub state: LinkState,
}

impl<'a> LinkChanged<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(link: &'a str, state: LinkState) -> Self {
        Self { link, state }
    }
}

impl<'a> From<LinkChanged<'a>> for Event<'a> {
    fn from(event: LinkChanged<'a>) -> Self {
        Self::LinkChanged(event)
    }
}

/// A rate limiter admitted a request and left its key with fewer cells than the warning level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearLimit<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The cells that are left.
    pub remaining: u64,
}

impl<'a> NearLimit<'a> {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(policy: &'a str, remaining: u64) -> Self {
        Self { policy, remaining }
    }
}

impl<'a> From<NearLimit<'a>> for Event<'a> {
    fn from(event: NearLimit<'a>) -> Self {
        Self::NearLimit(event)
    }
}

/// A password was hashed or verified, or refused because the queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordChecked {
    /// The result.
    pub result: PasswordResult,
}

impl PasswordChecked {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: PasswordResult) -> Self {
        Self { result }
    }
}

impl<'a> From<PasswordChecked> for Event<'a> {
    fn from(event: PasswordChecked) -> Self {
        Self::PasswordChecked(event)
    }
}

/// The service's readiness changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadinessChanged {
    /// The new readiness.
    pub readiness: Readiness,
}

impl ReadinessChanged {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(readiness: Readiness) -> Self {
        Self { readiness }
    }
}

impl<'a> From<ReadinessChanged> for Event<'a> {
    fn from(event: ReadinessChanged) -> Self {
        Self::ReadinessChanged(event)
    }
}

/// A request is over: its response body has ended, or its future or body was dropped.
///
/// The request record reports it together with the access line, exactly once for each
/// [`RequestStarted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The scheme of the client's connection.
    pub scheme: Scheme,
    /// The template that the request matched, never its path. `None` if it matched none.
    pub route: Option<&'a str>,
    /// The status of the response, or that of a rejection even where gRPC sends 200. `None` if the
    /// request had no response.
    pub status: Option<u16>,
    /// How the request ended.
    pub ending: Ending,
    /// The time from the first hardpoint layer to the end.
    pub duration: Duration,
    /// The declared size of the request body. `None` if it was not declared.
    pub bytes_in: Option<u64>,
    /// The bytes of the response body that were passed to the server.
    pub bytes_out: u64,
    /// The trace of the request.
    pub trace: Option<TraceContext>,
}

impl RequestEnded<'_> {
    /// Creates an event with these fields. The others can be set afterwards.
    #[must_use]
    pub const fn new(
        method: &'static str,
        scheme: Scheme,
        ending: Ending,
        duration: Duration,
    ) -> Self {
        Self {
            method,
            scheme,
            route: None,
            status: None,
            ending,
            duration,
            bytes_in: None,
            bytes_out: 0,
            trace: None,
        }
    }
}

impl<'a> From<RequestEnded<'a>> for Event<'a> {
    fn from(event: RequestEnded<'a>) -> Self {
        Self::RequestEnded(event)
    }
}

/// The request record opened the record of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestStarted {
    /// The method; `_OTHER` if it is neither in RFC 9110 nor `PATCH`.
    pub method: &'static str,
    /// The scheme of the client's connection.
    pub scheme: Scheme,
}

impl RequestStarted {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(method: &'static str, scheme: Scheme) -> Self {
        Self { method, scheme }
    }
}

impl<'a> From<RequestStarted> for Event<'a> {
    fn from(event: RequestStarted) -> Self {
        Self::RequestStarted(event)
    }
}

/// A store could not queue or send settlements. The cells that they hold stay charged until they
/// time out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementsLost {
    /// The store.
    pub store: StoreKind,
    /// The number of lost settlements.
    pub lost: u64,
}

impl SettlementsLost {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(store: StoreKind, lost: u64) -> Self {
        Self { store, lost }
    }
}

impl<'a> From<SettlementsLost> for Event<'a> {
    fn from(event: SettlementsLost) -> Self {
        Self::SettlementsLost(event)
    }
}

/// A store did not decide, so the failure policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFailed {
    /// The store.
    pub store: StoreKind,
    /// The reason.
    pub kind: StoreErrorKind,
}

impl StoreFailed {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(store: StoreKind, kind: StoreErrorKind) -> Self {
        Self { store, kind }
    }
}

impl<'a> From<StoreFailed> for Event<'a> {
    fn from(event: StoreFailed) -> Self {
        Self::StoreFailed(event)
    }
}

/// A token was accepted or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenVerified {
    /// `Ok` if the token was accepted, otherwise the reason for the refusal.
    pub result: Result<(), VerifyErrorKind>,
}

impl TokenVerified {
    /// Creates an event with these fields.
    #[must_use]
    pub const fn new(result: Result<(), VerifyErrorKind>) -> Self {
        Self { result }
    }
}

impl<'a> From<TokenVerified> for Event<'a> {
    fn from(event: TokenVerified) -> Self {
        Self::TokenVerified(event)
    }
}
