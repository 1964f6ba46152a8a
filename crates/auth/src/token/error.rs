//! Why a token was refused, for operators.

use std::{error::Error, fmt};

/// A token was refused. It holds nothing of the token.
///
/// Clients learn only that the token is invalid: the kind is for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyError {
    kind: VerifyErrorKind,
}

impl VerifyError {
    pub(crate) const fn new(kind: VerifyErrorKind) -> Self {
        Self { kind }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> VerifyErrorKind {
        self.kind
    }
}

/// The kinds of [`VerifyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The header names another algorithm than the key's.
    Algorithm,
    /// It is for somebody else, or does not say for whom.
    Audience,
    /// A claim is missing, stands there twice, or has the wrong type.
    Claims,
    /// The header demands an extension (`crit`, `b64`).
    CriticalHeader,
    /// Its time is over.
    Expired,
    /// The header is no JSON object, or has a member twice or of the wrong type.
    Header,
    /// Another issuer made it, or it does not say who did.
    Issuer,
    /// No key of the set has this id.
    KeyId,
    /// It is not three parts of base64url without padding.
    Malformed,
    /// Its time has not come, or it was issued in the future.
    NotYetValid,
    /// Whether it was revoked is not known now. This is no statement about the token.
    RevocationUnknown,
    /// It was revoked.
    Revoked,
    /// The signature is not the key's.
    Signature,
    /// It is longer than tokens may be.
    TooLong,
    /// It was issued longer ago than the verifier allows.
    TooOld,
    /// It is a token of another kind, such as an ID token.
    Type,
}

impl VerifyErrorKind {
    /// The kind as one lower-case word, for a metric's label.
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
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token refused: {}", self.kind.as_str())
    }
}

impl Error for VerifyError {}
