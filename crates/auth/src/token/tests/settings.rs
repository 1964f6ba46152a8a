//! Verifiers and issuers that differ from another one in one setting.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{ManualClock, Time};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    IssueError, IssuedToken, IssuerKeys, KeyRing, KeySet, Profile, Revocation, TokenCache,
    TokenIssuer, TokenSigner, TokenVerifier,
    token::{cache::Cache, claims::Plan, verifier::Inner},
};

impl TokenVerifier {
    pub(crate) fn new(keys: impl Into<IssuerKeys>, issuer: &str, audience: &str) -> Self {
        Self::builder().issuer(issuer, keys).audience(audience).build().unwrap()
    }

    pub(crate) fn watching(
        keys: watch::Receiver<Arc<KeySet>>,
        issuer: &str,
        audience: &str,
    ) -> Self {
        Self::new(keys, issuer, audience)
    }

    pub(crate) fn with_clock(self, clock: ManualClock) -> Self {
        self.change(|inner| inner.time = Time::from(clock))
    }

    pub(crate) fn profile(self, profile: Profile) -> Self {
        let plan = Plan::new(profile, None).unwrap();
        self.change(|inner| {
            inner.issuers.iter_mut().for_each(|issuer| issuer.plan = plan.clone());
        })
    }

    pub(crate) fn leeway(self, leeway: Duration) -> Self {
        self.change(|inner| inner.leeway = leeway)
    }

    pub(crate) fn max_age(self, max_age: Duration) -> Self {
        self.change(|inner| inner.max_age = Some(max_age))
    }

    pub(crate) fn cache(self, cache: TokenCache) -> Self {
        self.change(|inner| inner.cache = Some(Cache::new(cache)))
    }

    pub(crate) fn revocation(self, revocation: Arc<dyn Revocation>) -> Self {
        self.change(|inner| inner.revocation = Some(revocation))
    }

    fn change(self, change: impl FnOnce(&mut Inner)) -> Self {
        let old = &*self.inner;
        let mut inner = Inner {
            issuers: old.issuers.clone(),
            limits: old.limits,
            leeway: old.leeway,
            max_age: old.max_age,
            cache: old.cache.as_ref().map(|cache| Cache::new(cache.settings())),
            revocation: old.revocation.clone(),
            unknown_revocation: old.unknown_revocation,
            time: old.time.clone(),
            telemetry: old.telemetry.clone(),
        };
        change(&mut inner);
        Self { inner: Arc::new(inner) }
    }
}

impl TokenIssuer {
    pub(crate) fn new(signer: impl Into<TokenSigner>, issuer: &str, audience: &str) -> Self {
        Self::builder(signer).issuer(issuer).audience(audience).build().unwrap()
    }

    pub(crate) fn rotating(
        rings: watch::Receiver<Arc<KeyRing>>,
        issuer: &str,
        audience: &str,
    ) -> Self {
        Self::new(rings, issuer, audience)
    }

    pub(crate) fn with_clock(mut self, clock: ManualClock) -> Self {
        self.time = Time::from(clock);
        self
    }

    pub(crate) fn profile(mut self, profile: Profile) -> Self {
        self.plan = Plan::new(profile, None).unwrap();
        self
    }

    pub(crate) fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    pub(crate) fn issue(&self, subject: &str, scopes: &str) -> Result<IssuedToken, IssueError> {
        self.issue_with(subject, scopes, [])
    }

    pub(crate) fn issue_with<'a>(
        &'a self,
        subject: &'a str,
        scopes: &str,
        claims: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<IssuedToken, IssueError> {
        let token = self.token(subject).scopes(scopes.split(' ').filter(|name| !name.is_empty()));
        claims.into_iter().fold(token, |token, (name, value)| token.claim(name, value)).sign()
    }
}
