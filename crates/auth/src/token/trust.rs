//! Which tokens are accepted: the issuers that are trusted, and what is expected of their tokens.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{Telemetry, Time};

use super::{
    Profile, Revocation, RevocationPolicy, TokenCache, TokenVerifier, VerifiedToken, VerifyError,
    VerifyErrorKind as Kind,
    cache::Cache,
    claims::{Plan, Registered, Times},
    jws::Parts,
    profile::{Limits, Text},
    verifier::Inner,
};
use crate::{
    ConfigError, IssuerKeys,
    key::{KeyFinder, Member},
};

/// The longest leeway beside a revocation, which forgets a token this long after its expiry.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// An issuer that a [`TokenVerifier`](crate::TokenVerifier) trusts: its keys, and what is expected
/// of its tokens.
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedIssuer {
    /// The values of `iss`, or a template: at least one.
    names: Vec<String>,
    tenants: Option<Tenants>,
    keys: IssuerKeys,
    audiences: Vec<String>,
    profile: Option<Profile>,
}

/// The tenants of a template.
#[derive(Clone, Debug)]
enum Tenants {
    Any,
    Listed(Vec<String>),
}

impl TrustedIssuer {
    /// The issuer with this `iss`, compared exactly, and its keys.
    pub fn new(name: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        Self {
            names: vec![name.into()],
            tenants: None,
            keys: keys.into(),
            audiences: Vec::new(),
            profile: None,
        }
    }

    /// An issuer of several tenants with the same keys. `iss` must be this text, where a claim's
    /// name in braces represents its value, which must be one of the [`tenants`](Self::tenants).
    ///
    /// ```
    /// use hardpoint_auth::{KeySet, Profile, SigningKey, TokenVerifier, TrustedIssuer};
    ///
    /// # let keys = KeySet::new([SigningKey::generate()?.verifying_key()])?;
    /// let entra =
    ///     TrustedIssuer::template("https://login.microsoftonline.com/{tid}/v2.0", keys)
    ///         .tenants(["8eaef023-2b34-4da1-9baa-8bc8c9d6a490"])
    ///         .profile(Profile::entra_v2());
    /// let verifier = TokenVerifier::builder().add_issuer(entra).audience("api://notes").build()?;
    /// # let _ = verifier;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn template(name: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        Self { tenants: Some(Tenants::Listed(Vec::new())), ..Self::new(name, keys) }
    }

    /// Also accepts this `iss`, which the issuer writes at times. May be called several times.
    pub fn or_named(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Accepts tokens of these tenants of a [`template`](Self::template).
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tenants = Some(Tenants::Listed(tenants.into_iter().map(Into::into).collect()));
        self
    }

    /// Accepts tokens of every tenant of a [`template`](Self::template): anyone can create one, so the
    /// service must decide by itself whose tokens it serves.
    pub fn dangerous_any_tenant(mut self) -> Self {
        self.tenants = Some(Tenants::Any);
        self
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

    /// What is checked of the issuer's tokens.
    fn trust(self, audiences: &[String], profile: &Profile) -> Result<Trust, ConfigError> {
        let Self { mut names, tenants, keys, audiences: own, profile: own_profile } = self;
        if names.iter().any(String::is_empty) {
            return Err(ConfigError::NoIssuer);
        }
        let audiences = if own.is_empty() { audiences.to_vec() } else { own };
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(ConfigError::NoAudience(names.swap_remove(0)));
        }
        let names = Names::new(names, tenants)?;
        let profile = own_profile.unwrap_or_else(|| profile.clone());
        let plan = Plan::new(profile, names.tenant_claim())?;
        Ok(Trust { names, keys, audiences, plan })
    }
}

/// An issuer, and how its tokens are read.
#[derive(Clone)]
pub(super) struct Trust {
    names: Names,
    pub(super) keys: IssuerKeys,
    audiences: Vec<String>,
    pub(super) plan: Plan,
}

debug_only!(Trust { names, audiences });

/// The values of `iss` that are an issuer's.
#[derive(Clone, Debug)]
enum Names {
    Exact(Vec<String>),
    Template { before: String, claim: Text, after: String, tenants: Tenants },
}

impl Names {
    fn new(mut names: Vec<String>, tenants: Option<Tenants>) -> Result<Self, ConfigError> {
        let Some(tenants) = tenants else { return Ok(Self::Exact(names)) };
        let (is_alone, name) = (names.len() == 1, names.swap_remove(0));
        let parts = || {
            let (before, rest) = name.split_once('{')?;
            let (claim, after) = rest.split_once('}')?;
            let is_one = !claim.is_empty() && !after.contains(['{', '}']) && is_alone;
            is_one.then(|| (before.to_owned(), claim.to_owned().into(), after.to_owned()))
        };
        let Some((before, claim, after)) = parts() else {
            return Err(ConfigError::Template(name));
        };
        if matches!(&tenants, Tenants::Listed(all) if all.is_empty()) {
            return Err(ConfigError::NoTenants(name));
        }
        Ok(Self::Template { before, claim, after, tenants })
    }

    fn tenant_claim(&self) -> Option<&Text> {
        if let Self::Template { claim, .. } = self { Some(claim) } else { None }
    }

    /// Whether `iss` is one of the names.
    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Exact(names) => names.iter().any(|own| own == name),
            Self::Template { tenants, .. } => {
                self.tenant(name).is_some_and(|tenant| match tenants {
                    Tenants::Any => is_tenant(tenant),
                    Tenants::Listed(listed) => listed.iter().any(|own| own == tenant),
                })
            }
        }
    }

    /// The tenant in a name of this template.
    fn tenant<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Self::Template { before, after, .. } = self else { return None };
        name.strip_prefix(before.as_str())?.strip_suffix(after.as_str())
    }
}

/// Whether a name is one of a tenant, so that it cannot add a path or a host to the issuer's.
fn is_tenant(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(is_part)
}

/// Whether a key that is restricted to an issuer may verify a token of this one. Entra writes
/// `{tenantid}` for any tenant.
fn is_allowed(restriction: &str, issuer: &str) -> bool {
    let Some((before, after)) = restriction.split_once("{tenantid}") else {
        return restriction == issuer;
    };
    let tenant = issuer.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    tenant.is_some_and(is_tenant)
}

impl Trust {
    /// Whether tokens with this `iss` are the issuer's.
    pub(super) fn is_named(&self, issuer: &str) -> bool {
        self.names.contain(issuer)
    }

    /// What looks up the issuer's unknown key ids, if the unverified payload names the issuer.
    pub(super) fn finder(&self, parts: &Parts<'_>) -> Option<&Arc<dyn KeyFinder>> {
        let finder = self.keys.finder.as_ref()?;
        parts.with_issuer(|issuer| self.is_named(issuer).then_some(finder))
    }

    /// Reads the decoded payload of a token whose signature `member` verified.
    pub(super) fn read(
        &self,
        parts: &Parts<'_>,
        payload: &[u8],
        member: &Member,
        kind: Option<&str>,
        check_times: impl FnOnce(&Times) -> Result<(), VerifyError>,
    ) -> Result<VerifiedToken, VerifyError> {
        let profile = &self.plan.profile;
        parts.check_limits(profile.limits)?;
        if !profile.algorithms.is_empty() && !profile.algorithms.contains(&member.key.algorithm()) {
            return Err(Kind::Algorithm.into());
        }
        if !profile.is_kind(kind) {
            return Err(Kind::Type.into());
        }
        let is_audience = |text: &str| self.audiences.iter().any(|own| own == text);
        let payload = std::str::from_utf8(payload).map_err(|_| Kind::Claims)?;
        let mut claims = self.plan.read(payload, is_audience)?;
        self.check_issuer(&claims, member)?;
        claims.check_needs(is_audience)?;
        let times = claims.times()?;
        check_times(&times)?;
        Ok(VerifiedToken::new(payload, &claims.texts()?, times, &member.key))
    }

    fn check_issuer(&self, claims: &Registered<'_>, member: &Member) -> Result<(), VerifyError> {
        let is_ours = claims.issuer().is_some_and(|issuer| {
            let tenant = self.names.tenant(issuer);
            self.is_named(issuer)
                && (tenant.is_none() || tenant == claims.tenant())
                && member.issuer.as_deref().is_none_or(|own| is_allowed(own, issuer))
        });
        if is_ours { Ok(()) } else { Err(VerifyError::about(Kind::Issuer, "iss")) }
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
    issuers: Vec<TrustedIssuer>,
    audiences: Vec<String>,
    profile: Profile,
    inner: Inner,
}

impl TokenVerifierBuilder {
    pub(super) fn new() -> Self {
        let inner = Inner {
            issuers: Vec::new(),
            limits: Limits::DEFAULT,
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
    /// is a second ahead. With a [`revocation`](Self::revocation) it is at most 5 minutes, because a
    /// revoked token is forgotten that long after its expiry.
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
    /// [`ConfigError`] if an issuer or an audience is missing, or a profile or a template cannot work.
    pub fn build(self) -> Result<TokenVerifier, ConfigError> {
        let Self { issuers, audiences, profile, mut inner } = self;
        if issuers.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        if inner.revocation.is_some() && inner.leeway > MAX_LEEWAY {
            return Err(ConfigError::Leeway(inner.leeway));
        }
        let trust = |issuer: TrustedIssuer| issuer.trust(&audiences, &profile);
        inner.issuers = issuers.into_iter().map(trust).collect::<Result<_, _>>()?;
        let limits = || inner.issuers.iter().map(|issuer| issuer.plan.profile.limits);
        inner.limits = Limits {
            token: limits().map(|own| own.token).max().unwrap_or_default(),
            header: limits().map(|own| own.header).max().unwrap_or_default(),
        };
        Ok(TokenVerifier { inner: Arc::new(inner) })
    }
}
