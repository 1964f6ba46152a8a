//! The event of verifying a token.

use super::Event;

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
