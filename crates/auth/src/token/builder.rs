//! Setting up a verifier.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Telemetry, Time};

use super::{
    Profile, Revocation, RevocationPolicy, TokenCache, TokenVerifier, TrustedIssuer, cache::Cache,
    verifier::Inner,
};
use crate::{ConfigError, IssuerKeys};

/// Sets up a [`TokenVerifier`].
///
/// Defaults: [`Profile::rfc9068`], 30 s of leeway, no `max_age`, no cache, no revocation, the
/// system's time.
#[derive(Debug)]
#[must_use]
pub struct TokenVerifierBuilder {
    issuers: Vec<TrustedIssuer>,
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
        Self { issuers: Vec::new(), audiences: Vec::new(), profile: Profile::rfc9068(), inner }
    }

    /// Trusts the issuer with this `iss` and these keys. May be called several times.
    pub fn issuer(self, name: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        self.add_issuer(TrustedIssuer::new(name, keys))
    }

    /// Trusts an issuer with expectations of its own. The same issuer may be added several times,
    /// such as once with public keys and once with a secret.
    pub fn add_issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
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
        let Self { mut issuers, audiences, profile, mut inner } = self;
        if issuers.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        for issuer in &mut issuers {
            if issuer.audiences.is_empty() {
                issuer.audiences.clone_from(&audiences);
            }
            let is_bad = |audience: &String| audience.is_empty();
            if issuer.audiences.is_empty() || issuer.audiences.iter().any(is_bad) {
                return Err(ConfigError::NoAudience(issuer.name.clone()));
            }
            issuer.profile.get_or_insert_with(|| profile.clone());
        }
        inner.issuers = issuers;
        Ok(TokenVerifier { inner: Arc::new(inner) })
    }
}
