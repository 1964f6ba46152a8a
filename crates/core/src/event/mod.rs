//! The events that hardpoint's layers report to an [`Observer`](crate::Observer): one struct for
//! each kind of event.
//!
//! An event contains no secrets and no personal data: no keys, tokens, addresses or claims. It
//! borrows its fields, so an observer copies the ones it keeps. Minor versions add kinds, fields
//! and labels.

mod account;
mod api_key;
mod call;
mod health;
mod keys;
mod limit;
mod link;
mod request;
mod session;
mod store;
mod token;

pub use self::account::{
    AttemptLane, AttemptResult, DeliveryResult, LoginAttempted, MessageDelivered, OneTimeResult,
    OneTimeTokenUsed, PasswordChecked, PasswordResult,
};
pub use self::api_key::{ApiKeyErrorKind, ApiKeyVerified};
pub use self::call::{
    CallEnded, CallGuard, CallHedged, CallRefused, CallRetried, CircuitChanged, CircuitState,
    HedgeResult, RetryStop, StaleCopyResult, StaleCopySought,
};
pub use self::health::{CheckChanged, Readiness, ReadinessChanged};
pub use self::keys::{
    KeySetChanged, KeySetFetchFailed, KeySetKeySkipped, KeySetState, KeySetStateChanged,
    RefreshErrorKind,
};
pub use self::limit::{Decider, Limited, NearLimit};
pub use self::link::{LinkAnswered, LinkChanged, LinkState};
pub use self::request::{Ending, RequestEnded, RequestStarted};
pub use self::session::{RefreshResult, SessionRefreshed, SessionReused};
pub use self::store::{SettlementsLost, StoreErrorKind, StoreFailed, StoreKind};
pub use self::token::{TokenVerified, VerifyErrorKind};

/// One decision or discovery of a hardpoint layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// See [`ApiKeyVerified`].
    ApiKeyVerified(ApiKeyVerified),
    /// See [`CallEnded`].
    CallEnded(CallEnded<'a>),
    /// See [`CallHedged`].
    CallHedged(CallHedged<'a>),
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
    /// See [`StaleCopySought`].
    StaleCopySought(StaleCopySought<'a>),
    /// See [`StoreFailed`].
    StoreFailed(StoreFailed),
    /// See [`TokenVerified`].
    TokenVerified(TokenVerified),
}
