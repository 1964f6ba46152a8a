//! The labels of events: what a metric may be split by.

/// What the keys of an issuer are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySetState {
    /// They are too old to be used.
    Expired,
    /// They were fetched recently enough.
    Fresh,
    /// A refresh is overdue; they are still used.
    Stale,
}

impl KeySetState {
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
        }
    }
}

/// How a password operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PasswordResult {
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
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Matched => "matched",
            Self::Mismatched => "mismatched",
            Self::Shed => "shed",
        }
    }
}

/// Whether a service takes new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// It is shutting down: requests in flight finish, new ones should go elsewhere.
    Draining,
    /// A check that gates readiness fails.
    NotReady,
    /// It takes work.
    Ready,
    /// It has not finished starting.
    Starting,
}

impl Readiness {
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
    /// The discovery document points to plain http.
    Insecure,
    /// The discovery document names another issuer.
    Issuer,
    /// The answer is neither a key set nor a discovery document.
    Malformed,
    /// The server answered 304 to a request that was not conditional on the keys that are held.
    NotModified,
    /// A redirect that is not followed.
    Redirect,
    /// A status other than 200.
    Status,
    /// The task that fetches has ended, or the fetch panicked.
    Stopped,
    /// The server took too long.
    Timeout,
    /// The answer is larger than 256 KiB or has more than 100 keys.
    TooLarge,
    /// The server did not answer.
    Unreachable,
    /// The discovery document names a location that is not a URL or is inside the network.
    Url,
}

impl RefreshErrorKind {
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreKind {
    /// The state of rate limits.
    RateLimit,
    /// Revoked sessions and tokens.
    Revocation,
}

impl StoreKind {
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "ratelimit",
            Self::Revocation => "revocation",
        }
    }
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The header names an algorithm that is not the key's.
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
    /// Another issuer made the token, or it names none.
    Issuer,
    /// No key of the set has this id.
    KeyId,
    /// The token is not three parts of base64url without padding.
    Malformed,
    /// The token is not valid yet, or was issued in the future.
    NotYetValid,
    /// Whether the token was revoked is not known. The token itself may be good.
    RevocationUnknown,
    /// The token was revoked.
    Revoked,
    /// The signature does not verify.
    Signature,
    /// The token is longer than the verifier accepts.
    TooLong,
    /// The token was issued longer ago than the verifier accepts.
    TooOld,
    /// The token is of another kind, such as an ID token.
    Type,
    /// The keys that would verify the token are not known now. The token itself may be good.
    UnknownKeys,
}

impl VerifyErrorKind {
    /// The label: one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
            Self::TooOld => "too_old",
            Self::Type => "type",
            Self::UnknownKeys => "unknown_keys",
        }
    }
}
