//! The labels of events, by which a metric can be split.

use crate::Outcome;

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

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The body was dropped before its end.
    Aborted,
    /// The future was dropped before it was ready.
    Cancelled,
    /// A layer set the outcome, or it follows from the status.
    Known(Outcome),
    /// The whole response was passed to the server.
    Ok,
}

impl Ending {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Known(outcome) => outcome.as_str(),
            Self::Ok => "ok",
        }
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

/// Who decided about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decider {
    /// A cache of refusals in front of a remote store.
    Cache,
    /// This process, in place of a remote store that did not decide.
    Fallback,
    /// This process, which keeps the state.
    #[default]
    Memory,
    /// A remote store.
    Store,
}

impl Decider {
    /// The label as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Fallback => "fallback",
            Self::Memory => "memory",
            Self::Store => "store",
        }
    }
}

/// The state of an issuer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySetState {
    /// The keys are too old to be used.
    Expired,
    /// The keys were fetched recently enough.
    Fresh,
    /// A refresh is overdue. The keys are still used.
    Stale,
}

impl KeySetState {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

/// The state of a link to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// The link connects: for the first time, or for one deadline after it lost its connection.
    /// Commands wait for it until their deadline.
    Connecting,
    /// The server does not answer in time, or not at all. Commands fail at once.
    Down,
    /// The server answers.
    Up,
}

impl LinkState {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// The result of a password operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PasswordResult {
    /// The password was not verified, and may be correct: the stored hash needs a pepper that is missing or
    /// more than the ceiling, or the hash function failed.
    Failed,
    /// A new hash was made.
    Hashed,
    /// The password matched the hash.
    Matched,
    /// The password did not match.
    Mismatched,
    /// The queue was full.
    Shed,
}

impl PasswordResult {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Hashed => "hashed",
            Self::Matched => "matched",
            Self::Mismatched => "mismatched",
            Self::Shed => "shed",
        }
    }
}

/// Whether a service accepts new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// The service is shutting down: requests in flight finish, new ones should go elsewhere.
    Draining,
    /// A check that gates readiness fails.
    NotReady,
    /// The service accepts new work.
    Ready,
    /// The service has not finished starting.
    Starting,
}

impl Readiness {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::NotReady => "not_ready",
            Self::Ready => "ready",
            Self::Starting => "starting",
        }
    }
}

/// Why the keys of an issuer could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshErrorKind {
    /// The set has no usable key.
    Empty,
    /// The discovery document points to plain HTTP.
    Insecure,
    /// The discovery document names another issuer.
    Issuer,
    /// The response is neither a key set nor a discovery document.
    Malformed,
    /// The server answered 304 to a request that was not conditional on the current keys.
    NotModified,
    /// The server answered with a redirect that is not followed.
    Redirect,
    /// The server answered with a status other than 200.
    Status,
    /// The fetching task has ended, or the fetch panicked.
    Stopped,
    /// The server took too long.
    Timeout,
    /// The response is larger than 256 KiB or has more than 100 keys.
    TooLarge,
    /// The server did not answer.
    Unreachable,
    /// The discovery document names a location that is not a URL or is inside the network.
    Url,
}

impl RefreshErrorKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Insecure => "insecure",
            Self::Issuer => "issuer",
            Self::Malformed => "malformed",
            Self::NotModified => "not_modified",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Stopped => "stopped",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Unreachable => "unreachable",
            Self::Url => "url",
        }
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

/// Why a store did not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store answered something that its protocol does not allow.
    Corrupt,
    /// The store took longer than its deadline.
    Timeout,
    /// The store cannot be reached.
    Unavailable,
}

impl StoreErrorKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The purpose of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreKind {
    /// Attempts to log in.
    Attempt,
    /// One-time tokens.
    OneTime,
    /// The state of rate limits.
    RateLimit,
    /// Revoked sessions and tokens.
    Revocation,
    /// Sessions.
    Session,
}

impl StoreKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::OneTime => "one_time",
            Self::RateLimit => "ratelimit",
            Self::Revocation => "revocation",
            Self::Session => "session",
        }
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The header names an algorithm other than the key's.
    Algorithm,
    /// The token is meant for another audience, or names none.
    Audience,
    /// A claim is missing, duplicated, or of the wrong type.
    Claims,
    /// The header demands an extension (`crit`, `b64`).
    CriticalHeader,
    /// The token has expired.
    Expired,
    /// The header is not a JSON object, or has a member that is duplicated or of the wrong type.
    Header,
    /// The token is from another issuer, or names none.
    Issuer,
    /// No key of the set has this id.
    KeyId,
    /// The token is not three parts of base64url without padding.
    Malformed,
    /// The token is not valid yet, or was issued in the future.
    NotYetValid,
    /// The verifier does not know whether the token was revoked. The token itself may be valid.
    RevocationUnknown,
    /// The token was revoked.
    Revoked,
    /// The signature does not verify.
    Signature,
    /// The token is longer than the verifier accepts.
    TooLong,
    /// The token names an unknown key, as did so many of the client's network that the issuer is not
    /// asked again for now.
    TooManyKeyIds,
    /// The token was issued longer ago than the verifier accepts.
    TooOld,
    /// The token is of another kind, such as an ID token.
    Type,
    /// The keys that would verify the token are currently unknown. The token itself may be valid.
    UnknownKeys,
}

impl VerifyErrorKind {
    /// The label as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::CriticalHeader => "critical_header",
            Self::Expired => "expired",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::KeyId => "key_id",
            Self::Malformed => "malformed",
            Self::NotYetValid => "not_yet_valid",
            Self::RevocationUnknown => "revocation_unknown",
            Self::Revoked => "revoked",
            Self::Signature => "signature",
            Self::TooLong => "too_long",
            Self::TooManyKeyIds => "too_many_key_ids",
            Self::TooOld => "too_old",
            Self::Type => "type",
            Self::UnknownKeys => "unknown_keys",
        }
    }
}
