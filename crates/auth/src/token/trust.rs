//! Which tokens are accepted: the issuers that are trusted, and what is expected of their tokens.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Telemetry, Time};

use super::{
    Profile, Revocation, RevocationPolicy, TokenCache, TokenVerifier, VerifiedToken,
    VerifyErrorKind as Kind,
    cache::Cache,
    claims::{Name, Registered, Times},
    jws::Parts,
    verifier::Inner,
};
use crate::{
    ConfigError, IssuerKeys,
    key::{KeyFinder, Member},
    scopes,
};

/// An issuer that a [`TokenVerifier`](crate::TokenVerifier) trusts: its keys, and what is expected
/// of its tokens.
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedIssuer {
    pub(super) name: String,
    pub(super) keys: IssuerKeys,
    pub(super) audiences: Vec<String>,
    pub(super) profile: Option<Profile>,
}

impl TrustedIssuer {
    /// The issuer with this `iss`, compared exactly, and its keys.
    pub fn new(name: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        Self { name: name.into(), keys: keys.into(), audiences: Vec::new(), profile: None }
    }

    /// Accepts this audience in the tokens of this issuer. May be called several times. Default: the
    /// verifier's audiences.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The kind of tokens that this issuer makes. Default: the verifier's profile.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// What looks up the issuer's unknown key ids, if the unverified payload names the issuer.
    pub(super) fn finder(&self, parts: &Parts<'_>) -> Option<&Arc<dyn KeyFinder>> {
        let finder = self.keys.finder.as_ref()?;
        parts.with_issuer(|issuer| (issuer == self.name).then_some(finder))
    }

    /// Reads a token whose signature `member` verified.
    pub(super) fn read(
        &self,
        parts: &Parts<'_>,
        member: &Member,
        kind: Option<&str>,
        check_times: impl FnOnce(&Times) -> Result<(), Kind>,
    ) -> Result<VerifiedToken, Kind> {
        if !self.expected().is_kind(kind) {
            return Err(Kind::Type);
        }
        parts.with_payload(|payload| {
            let payload = std::str::from_utf8(payload).map_err(|_| Kind::Claims)?;
            let claims = Registered::parse(payload, &self.audiences).ok_or(Kind::Claims)?;
            if claims.claim(Name::Issuer).as_str() != Some(self.name.as_str()) {
                return Err(Kind::Issuer);
            }
            if !claims.is_for_us {
                return Err(Kind::Audience);
            }
            let times = claims.times().ok_or(Kind::Claims)?;
            check_times(&times)?;
            if !self.has_its_claims(&claims, &times) {
                return Err(Kind::Claims);
            }
            Ok(VerifiedToken::new(payload, &claims, times, &member.key))
        })
    }

    fn has_its_claims(&self, claims: &Registered<'_>, times: &Times) -> bool {
        let needs_all = self.expected().needs_all_claims;
        let text = |name| claims.claim(name).optional_text();
        let is_present = |name| text(name).flatten().is_some_and(|text| !text.is_empty());
        let is_fine = |name| is_present(name) || (!needs_all && text(name) == Some(None));
        let is_scopes = |text: &str| text.bytes().all(|b| b == b' ' || scopes::is_in_a_name(b));
        is_present(Name::Subject)
            && is_fine(Name::ClientId)
            && is_fine(Name::TokenId)
            && text(Name::SessionId).is_some()
            && text(Name::Scope).is_some_and(|scopes| scopes.is_none_or(is_scopes))
            && (times.issued.is_some() || !needs_all)
    }

    fn expected(&self) -> &Profile {
        const DEFAULT: &Profile = &Profile::rfc9068();
        self.profile.as_ref().unwrap_or(DEFAULT)
    }

    /// When the issuer's key with this fingerprint stops verifying.
    pub(super) fn verifies_until(&self, fingerprint: &[u8; 32]) -> Option<Duration> {
        self.keys.live.load().verifies_until(fingerprint)
    }
}

/// Sets up a [`TokenVerifier`].
///
/// Defaults: [`Profile::rfc9068`], 30 s of leeway, no `max_age`, no cache, no revocation, the
/// system's time.
#[derive(Debug)]
#[must_use]
pub struct TokenVerifierBuilder {
    audiences: Vec<String>,
    profile: Profile,
    inner: Inner,
}

impl TokenVerifierBuilder {
    pub(super) fn new() -> Self {
        let inner = Inner {
            issuers: Vec::new(),
            leeway: Duration::from_secs(30),
            max_age: None,
            cache: None,
            revocation: None,
            unknown_revocation: RevocationPolicy::Deny,
            time: Time::system(),
            telemetry: OnceLock::new(),
        };
        Self { audiences: Vec::new(), profile: Profile::rfc9068(), inner }
    }

    /// Trusts the issuer with this `iss` and these keys. May be called several times.
    pub fn issuer(self, name: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        self.add_issuer(TrustedIssuer::new(name, keys))
    }

    /// Trusts an issuer with expectations of its own. The same issuer may be added several times,
    /// such as once with public keys and once with a secret.
    pub fn add_issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.inner.issuers.push(issuer);
        self
    }

    /// Accepts tokens with this audience. May be called several times; one of them is enough.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The expected kind of token. Default: [`Profile::rfc9068`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How far clocks may be apart. Default: 30 s, which synchronized machines stay within.
    ///
    /// A longer leeway accepts expired tokens for as long; 0 refuses tokens of an issuer whose clock
    /// is a second ahead.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.inner.leeway = leeway;
        self
    }

    /// The greatest age of a token since it was issued, independent of its expiry. Default: no
    /// limit. With a limit, tokens without `iat` are refused; 0 accepts only tokens that were issued
    /// within the leeway.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.inner.max_age = Some(max_age);
        self
    }

    /// Caches verified tokens, so that a token that comes again costs a fraction. Default: no cache,
    /// since it keeps the claims of each token in memory: see [`TokenCache`].
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.inner.cache = Some(Cache::new(cache));
        self
    }

    /// Asks about every token whether it was revoked. Default: no token is revoked before it
    /// expires.
    pub fn revocation(mut self, revocation: impl Revocation) -> Self {
        self.inner.revocation = Some(Arc::new(revocation));
        self
    }

    /// What to do if a token's revocation is not known. Default: [`RevocationPolicy::Deny`].
    pub fn unknown_revocation(mut self, policy: RevocationPolicy) -> Self {
        self.inner.unknown_revocation = policy;
        self
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.inner.time = time.into();
        self
    }

    /// Reports each verification of an [`AuthLayer`](crate::AuthLayer) to this observer. Default: to
    /// the observer of the layer's stack.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        telemetry.fill(&self.inner.telemetry);
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`ConfigError`] if an issuer or an audience is missing.
    pub fn build(self) -> Result<TokenVerifier, ConfigError> {
        let Self { audiences, profile, mut inner } = self;
        if inner.issuers.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        for issuer in &mut inner.issuers {
            if issuer.audiences.is_empty() {
                issuer.audiences.clone_from(&audiences);
            }
            if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
                return Err(ConfigError::NoAudience(issuer.name.clone()));
            }
            issuer.profile.get_or_insert_with(|| profile.clone());
        }
        Ok(TokenVerifier { inner: Arc::new(inner) })
    }
}
