//! The kinds of tokens.

use std::borrow::Cow;

use crate::Algorithm;

/// A name or a value that is part of the program, or was read from a configuration file.
pub(super) type Text = Cow<'static, str>;

/// The kind of token that an issuer makes and a verifier expects: its `typ`, the claims that it must
/// have, and which of them name the subject, the client and the scopes. Kinds exclude one another
/// (RFC 8725 §3.11 and §3.12).
///
/// [`rfc9068`](Self::rfc9068) is the default. Profiles of identity providers, such as
/// [`cognito`](Self::cognito), are rules written down as data; each accepts what that provider's access
/// tokens contain instead, and [`loosens`](Self::loosens) names what it gives up. Another issuer's
/// profile is one of these with a few setters.
///
/// ```
/// use hardpoint_auth::{Need, Profile, ScopeForm};
///
/// let profile = Profile::plain()
///     .needs([Need::audience_in("aud"), Need::is("token_use", "access")])
///     .scopes_from("permissions", ScopeForm::List)
///     .subjects(["uid", "sub"]);
/// # let _ = profile;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Profile {
    /// What a [`TokenIssuer`](crate::TokenIssuer) writes as `typ`.
    pub(crate) kind: Text,
    /// Further values of `typ`.
    also: Vec<Text>,
    /// Whether a token without `typ` is of this kind.
    is_default_kind: bool,
    pub(super) needs: Vec<Need>,
    pub(super) required: Vec<Text>,
    pub(super) subjects: Vec<Text>,
    pub(super) numeric_subject: bool,
    pub(super) clients: Vec<Text>,
    pub(super) sessions: Vec<Text>,
    pub(super) scopes: Vec<(Text, ScopeForm)>,
    pub(super) null_is_absent: bool,
    pub(super) text_auth_time: bool,
    pub(super) key_id: KeyIdRule,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) limits: Limits,
    pub(super) loosens: Vec<Text>,
}

/// What a claim must be for a token to be of a [`Profile`], and meant for this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub(super) claim: Text,
    pub(super) test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Absent,
    Audience,
    Is(Text),
    Present,
}

impl Need {
    /// The claim is absent.
    #[must_use]
    pub fn absent(claim: impl Into<Text>) -> Self {
        Self { claim: claim.into(), test: Test::Absent }
    }

    /// The claim is one of the expected audiences, or an array of strings that contains one.
    #[must_use]
    pub fn audience_in(claim: impl Into<Text>) -> Self {
        Self { claim: claim.into(), test: Test::Audience }
    }

    /// The claim is this string.
    #[must_use]
    pub fn is(claim: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { claim: claim.into(), test: Test::Is(value.into()) }
    }

    /// The claim is present and is not an empty string.
    #[must_use]
    pub fn present(claim: impl Into<Text>) -> Self {
        Self { claim: claim.into(), test: Test::Present }
    }
}

/// How a claim lists scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScopeForm {
    /// Names separated by spaces, or an array of names.
    Either,
    /// An array of names.
    List,
    /// Names separated by spaces (RFC 6749 §3.3).
    Text,
}

/// Which member of a token's header names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyIdRule {
    /// `kid`.
    Kid,
    /// `kid`, or `x5t` where it is absent.
    KidOrX5t,
}

/// The longest token and header that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// In bytes.
    pub(super) token: usize,
    /// In base64url characters.
    pub(super) header: usize,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self { token: 8 * 1024, header: 1024 };
    /// The most that may be set: positions in a payload are kept in 16 bits.
    pub(super) const MAX: Self = Self { token: 40 * 1024, header: 8 * 1024 };
}

impl Profile {
    /// Access tokens of RFC 9068: `typ` is `at+jwt`, and `exp`, `iat`, `sub`, `client_id` and `jti`
    /// are required. The default, because nothing else that an issuer signs has this `typ`.
    pub fn rfc9068() -> Self {
        Self::typed("at+jwt").requires(["client_id", "jti", "iat"])
    }

    /// Tokens without a type of their own, which many issuers make: `typ` is `JWT` or absent, and
    /// `exp` and `sub` are required.
    ///
    /// An ID token of the same issuer and audience looks the same and is accepted: use an audience
    /// that is not a client's id.
    pub fn plain() -> Self {
        Self { is_default_kind: true, ..Self::typed("JWT") }
    }

    /// Tokens of another explicit type, such as `secevent+jwt`, with `exp` and `sub`.
    pub fn typed(kind: impl Into<Text>) -> Self {
        Self {
            kind: kind.into(),
            also: Vec::new(),
            is_default_kind: false,
            needs: vec![Need::audience_in("aud")],
            required: Vec::new(),
            subjects: vec!["sub".into()],
            numeric_subject: false,
            clients: vec!["client_id".into()],
            sessions: vec!["sid".into()],
            scopes: vec![("scope".into(), ScopeForm::Text)],
            null_is_absent: false,
            text_auth_time: false,
            key_id: KeyIdRule::Kid,
            algorithms: Vec::new(),
            limits: Limits::DEFAULT,
            loosens: Vec::new(),
        }
    }

    /// Also accepts this `typ`. May be called several times.
    pub fn or_typed(mut self, kind: impl Into<Text>) -> Self {
        self.also.push(kind.into());
        self
    }

    /// Replaces what the claims must be. Default: `aud` is or contains one of the audiences.
    ///
    /// All needs must hold. One of them must be [`Need::audience_in`]: otherwise the service would
    /// accept tokens that are meant for another one.
    pub fn needs(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.needs = needs.into_iter().collect();
        self
    }

    /// Also requires these claims. They must be present, and not empty strings.
    pub fn requires(mut self, claims: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.required.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Replaces the claims that name the subject; the first one that is present counts. Default:
    /// `sub`.
    ///
    /// The subject identifies a caller for limits, sessions and logs, so it must be an id that the
    /// issuer never gives to another account.
    pub fn subjects(mut self, claims: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.subjects = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts a whole number as the subject, as its decimal text. Default: only a string, which
    /// RFC 7519 demands.
    pub fn numeric_subject(mut self) -> Self {
        self.numeric_subject = true;
        self
    }

    /// Replaces the claims that name the client; the first one that is present counts. Default:
    /// `client_id`.
    pub fn clients(mut self, claims: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.clients = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the claims that name the session; the first one that is present counts. Default:
    /// `sid`.
    pub fn sessions(mut self, claims: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.sessions = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Reads the scopes from this claim. The first call replaces `scope`, the default; of several
    /// claims the first one that is present counts.
    pub fn scopes_from(mut self, claim: impl Into<Text>, form: ScopeForm) -> Self {
        if self.scopes == Self::plain().scopes {
            self.scopes.clear();
        }
        self.scopes.push((claim.into(), form));
        self
    }

    /// Treats `null` as an absent claim. Default: a claim of the wrong type, so the token is refused.
    pub fn null_is_absent(mut self) -> Self {
        self.null_is_absent = true;
        self
    }

    /// Also accepts `auth_time` as a text such as `2026-11-28T08:49:37Z` (RFC 3339, in UTC), as AD FS
    /// writes it. Default: only a number, which OpenID Connect demands.
    pub fn text_auth_time(mut self) -> Self {
        self.text_auth_time = true;
        self
    }

    /// Which header member names the key. Default: [`KeyIdRule::Kid`].
    pub fn key_id(mut self, rule: KeyIdRule) -> Self {
        self.key_id = rule;
        self
    }

    /// Accepts only tokens of these algorithms. Default: those of the issuer's keys.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The longest token, in bytes. Default: 8 KiB; at most 40 KiB.
    ///
    /// A longer token is decoded into memory that is allocated for it, and one above 4 KiB is verified
    /// each time. The server must accept such a header too: hyper's limit for HTTP/2 is 16 KiB by
    /// default, and it answers 431 before any layer runs.
    pub fn max_token(mut self, bytes: usize) -> Self {
        self.limits.token = bytes;
        self
    }

    /// The longest header of a token, in base64url characters. Default: 1 KiB, which no `kid` needs;
    /// a header with `x5c` needs more. At most 8 KiB.
    pub fn max_header(mut self, characters: usize) -> Self {
        self.limits.header = characters;
        self
    }

    /// What this profile gives up compared with [`rfc9068`](Self::rfc9068), a sentence each: for a
    /// report at start.
    pub fn loosens(&self) -> impl Iterator<Item = &str> {
        self.loosens.iter().map(AsRef::as_ref)
    }

    /// Whether a header's `typ` is the one of this profile. Media types are case-insensitive, and one
    /// without a slash is short for `application/` and itself (RFC 7515 §4.1.9).
    pub(super) fn is_kind(&self, given: Option<&str>) -> bool {
        let Some(given) = given else { return self.is_default_kind };
        let short = match given.split_once('/') {
            Some((first, rest)) if first.eq_ignore_ascii_case("application") => rest,
            _ => given,
        };
        let is = |kind: &Text| short.eq_ignore_ascii_case(kind) || given.eq_ignore_ascii_case(kind);
        is(&self.kind) || self.also.iter().any(is)
    }

    /// Whether a `TokenIssuer` adds a `client_id`.
    pub(super) fn needs_client_id(&self) -> bool {
        self.required.iter().any(|claim| claim == "client_id")
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::rfc9068()
    }
}
