//! The kinds of tokens.

use std::borrow::Cow;

/// The kind of token that an issuer makes and a verifier expects: its `typ`, and the claims that it
/// must have. Kinds exclude one another (RFC 8725 §3.11 and §3.12).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Profile {
    pub(super) kind: Cow<'static, str>,
    /// Whether a token without `typ` is of this kind.
    is_default_kind: bool,
    /// Whether the claims that RFC 9068 adds are required.
    pub(super) needs_all_claims: bool,
}

impl Profile {
    /// Access tokens of RFC 9068: `typ` is `at+jwt`, and `exp`, `iat`, `sub`, `client_id` and `jti`
    /// are required. The default, because nothing else that an issuer signs has this `typ`.
    pub const fn rfc9068() -> Self {
        Self { kind: Cow::Borrowed("at+jwt"), is_default_kind: false, needs_all_claims: true }
    }

    /// Tokens without a type of their own, which many issuers make: `typ` is `JWT` or absent, and
    /// `exp` and `sub` are required.
    ///
    /// An ID token of the same issuer and audience looks the same and is accepted: use an audience
    /// that is not a client's id.
    pub fn plain() -> Self {
        Self { kind: Cow::Borrowed("JWT"), is_default_kind: true, needs_all_claims: false }
    }

    /// Tokens of another explicit type, such as `secevent+jwt`, with `exp` and `sub`.
    pub fn typed(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), is_default_kind: false, needs_all_claims: false }
    }

    /// Whether a header's `typ` is the one of this profile. Media types are case-insensitive, and one
    /// without a slash is short for `application/` and itself (RFC 7515 §4.1.9).
    pub(super) fn is_kind(&self, given: Option<&str>) -> bool {
        let Some(given) = given else { return self.is_default_kind };
        let short = match given.split_once('/') {
            Some((first, rest)) if first.eq_ignore_ascii_case("application") => rest,
            _ => given,
        };
        short.eq_ignore_ascii_case(&self.kind) || given.eq_ignore_ascii_case(&self.kind)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::rfc9068()
    }
}
