//! The kinds of tokens.

use std::borrow::Cow;

/// The kind of token that an issuer makes and a verifier expects: its `typ`, and the claims that it
/// must have. Kinds exclude one another (RFC 8725 §3.11 and §3.12).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Profile {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Rfc9068,
    Typed(Cow<'static, str>),
}

impl Profile {
    /// Access tokens of RFC 9068: `typ` is `at+jwt`, and `exp`, `iat`, `sub`, `client_id` and `jti`
    /// are required. The default, because nothing else that an issuer signs has this `typ`.
    pub const fn rfc9068() -> Self {
        Self { kind: Kind::Rfc9068 }
    }

    /// Tokens without a type of their own, which many issuers make: `typ` is `JWT` or absent, and
    /// `exp` and `sub` are required.
    ///
    /// An ID token of the same issuer and audience looks the same and is accepted: use an audience
    /// that is not a client's id.
    pub fn plain() -> Self {
        Self { kind: Kind::Plain }
    }

    /// Tokens of another explicit type, such as `secevent+jwt`, with `exp` and `sub`.
    pub fn typed(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Typed(kind.into()) }
    }

    /// Whether a header's `typ` is the one of this profile. Media types are case-insensitive, and one
    /// without a slash is short for `application/` and itself (RFC 7515 §4.1.9).
    pub(super) fn is_kind(&self, given: Option<&str>) -> bool {
        let is = |expected: &str| {
            given.is_some_and(|given| {
                given.eq_ignore_ascii_case(expected)
                    || given.split_once('/').is_some_and(|(first, rest)| {
                        first.eq_ignore_ascii_case("application")
                            && rest.eq_ignore_ascii_case(expected)
                    })
            })
        };
        is(self.kind()) || (self.kind == Kind::Plain && given.is_none())
    }

    /// The `typ` of tokens of this profile.
    pub(super) fn kind(&self) -> &str {
        match &self.kind {
            Kind::Plain => "JWT",
            Kind::Rfc9068 => "at+jwt",
            Kind::Typed(kind) => kind,
        }
    }

    /// Whether the claims that RFC 9068 adds are required.
    pub(super) fn needs_all_claims(&self) -> bool {
        self.kind == Kind::Rfc9068
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::rfc9068()
    }
}
