//! Checking tokens.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::{Clock, SystemClock};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{
    Profile, Revocation, RevocationState, TokenCache, Verified, VerifyError,
    VerifyErrorKind as Kind,
    cache::Cache,
    claims::{Audience, Registered},
    json::Text,
    jws,
    verified::{Claimed, Times},
};
use crate::{KeySet, key::Live, scopes};

/// Checks access tokens: the signature, and every expectation, none of which can be left out.
///
/// # Semantics
/// A token is accepted if all of this is true (RFC 9068 §4, RFC 8725):
/// 1. It is at most 8 KiB of three base64url parts without padding; its header at most 1 KiB.
/// 2. Its header names a key of the set by `kid` (or none, if the set has only one key) and exactly
///    that key's algorithm, has the `typ` of the [`Profile`], and demands no extension (`crit`, `b64`).
/// 3. The signature is that key's, and the key's time is not over.
/// 4. `iss` is the expected issuer, `aud` is the expected audience or a list with it, and the claims
///    of the profile are there. Every claim that means something is of the right type, and no member
///    stands there twice.
/// 5. `exp` is ahead; `nbf`, `iat` and `auth_time`, if they are there, are not; all within the leeway. It
///    was issued at most [`max_age`](Self::max_age) ago.
/// 6. It was not revoked, as far as [`revocation`](Self::revocation) knows.
///
/// A token that is in the [`cache`](Self::cache) is not taken apart again, but 5, 6 and whether its key
/// is still in the set are asked anew each time.
///
/// Clones share the keys, the cache and the revocation.
#[derive(Clone)]
pub struct TokenVerifier<C = SystemClock> {
    keys: Live<KeySet>,
    expected: Arc<Expected>,
    cache: Option<Arc<Cache>>,
    revocation: Option<Arc<dyn Revocation>>,
    clock: C,
}

#[derive(Clone, Debug)]
struct Expected {
    issuer: String,
    audience: String,
    profile: Profile,
    leeway: Duration,
    max_age: Option<Duration>,
}

impl TokenVerifier {
    /// Accepts tokens that `issuer` made for `audience`, signed with one of `keys`.
    #[must_use]
    pub fn new(keys: KeySet, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(Live::Fixed(Arc::new(keys)), issuer.into(), audience.into())
    }

    /// The same with keys that change: whatever the channel holds when a token comes is used.
    #[must_use]
    pub fn watching(
        keys: watch::Receiver<Arc<KeySet>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self::of(Live::watching(keys), issuer.into(), audience.into())
    }

    fn of(keys: Live<KeySet>, issuer: String, audience: String) -> Self {
        let expected = Expected {
            issuer,
            audience,
            profile: Profile::rfc9068(),
            leeway: Duration::from_secs(30),
            max_age: None,
        };
        let expected = Arc::new(expected);
        Self { keys, expected, cache: None, revocation: None, clock: SystemClock }
    }
}

impl<C: Clock> TokenVerifier<C> {
    /// Which kind of token is expected. Default: [`Profile::rfc9068`].
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        Arc::make_mut(&mut self.expected).profile = profile;
        self.renew_cache()
    }

    /// How far clocks may be apart. Default: 30 s, which machines that keep time stay within.
    ///
    /// More of it lets expired tokens live on for as long; 0 refuses tokens of an issuer whose clock
    /// is ahead by a second.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        Arc::make_mut(&mut self.expected).leeway = leeway;
        self.renew_cache()
    }

    /// How long ago a token may have been issued, whatever expiry its issuer gave it. Default: no such
    /// limit. Tokens without `iat` are refused then; 0 accepts only what was issued within the leeway.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        Arc::make_mut(&mut self.expected).max_age = Some(max_age);
        self.renew_cache()
    }

    /// Remembers tokens that were verified, so that one that comes again costs a fraction. Default:
    /// none, since it keeps something of each token in memory: see [`TokenCache`].
    #[must_use]
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.cache = Some(Arc::new(Cache::new(cache)));
        self
    }

    /// Asks about every token whether it was revoked. Default: nobody, so that a token lives until it
    /// expires.
    #[must_use]
    pub fn revocation(mut self, revocation: Arc<dyn Revocation>) -> Self {
        self.revocation = Some(revocation);
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock<Other: Clock>(self, clock: Other) -> TokenVerifier<Other> {
        let Self { keys, expected, cache, revocation, clock: _ } = self;
        TokenVerifier { keys, expected, cache, revocation, clock }
    }

    /// What was accepted under other expectations is not accepted under these.
    fn renew_cache(mut self) -> Self {
        self.cache = self.cache.map(|cache| Arc::new(Cache::new(cache.settings())));
        self
    }

    /// The clock.
    pub(crate) const fn clock(&self) -> &C {
        &self.clock
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log: do not pass the kind on to the client.
    pub fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        let keys = self.keys.load();
        let now = self.clock.unix();
        let cache = self.cache.as_deref();
        if let Some(known) = cache.and_then(|cache| self.remembered(cache, token, &keys, now)) {
            return self.unless_revoked(known);
        }
        let verified = self.open(token, &keys, now).map_err(VerifyError::new)?;
        let verified = self.unless_revoked(verified)?;
        if let Some(cache) = cache {
            cache.insert(token, &verified, now);
        }
        Ok(verified)
    }

    fn unless_revoked(&self, verified: Verified) -> Result<Verified, VerifyError> {
        match self.revocation.as_ref().map(|revocation| revocation.state(&verified)) {
            None | Some(RevocationState::Live) => Ok(verified),
            Some(RevocationState::Revoked) => Err(VerifyError::new(Kind::Revoked)),
            Some(RevocationState::Unknown) => Err(VerifyError::new(Kind::RevocationUnknown)),
        }
    }

    /// Verifies a token, and reads its claims as a type of yours.
    ///
    /// # Errors
    /// As [`verify`](Self::verify); [`VerifyErrorKind::Claims`](crate::VerifyErrorKind::Claims) too if they do not fit the type.
    pub fn verify_as<T: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<(Verified, T), VerifyError> {
        let verified = self.verify(token)?;
        let claims = verified.claims_as().ok_or(VerifyError::new(Kind::Claims))?;
        Ok((verified, claims))
    }

    /// A token of the cache, if it would still be accepted. One that would not goes the long way, which
    /// says why.
    fn remembered(
        &self,
        cache: &Cache,
        token: &str,
        keys: &KeySet,
        now: Duration,
    ) -> Option<Verified> {
        let verified = cache.find(token, now)?;
        let until = keys.verifies_until(verified.key().fingerprint());
        let is_good = until.is_some_and(|until| now < until)
            && self.expected.check_times(verified.times(), now).is_ok();
        if !is_good {
            cache.remove(token);
            return None;
        }
        Some(verified)
    }

    fn open(&self, token: &str, keys: &KeySet, now: Duration) -> Result<Verified, Kind> {
        let opened = jws::open(token, keys, now)?;
        if !self.expected.profile.is_kind(opened.kind.as_deref()) {
            return Err(Kind::Type);
        }
        let payload = String::from_utf8(opened.decode_payload()?).map_err(|_| Kind::Claims)?;
        let claims = Registered::parse(&payload, &self.expected.audience).ok_or(Kind::Claims)?;
        let times = self.expected.check(&claims, now)?;
        let claimed = Claimed::of(&payload, &claims, times, opened.key.clone());
        Ok(claimed.with(payload))
    }
}

impl Expected {
    fn check(&self, claims: &Registered<'_>, now: Duration) -> Result<Times, Kind> {
        if claims.issuer.as_str() != Some(self.issuer.as_str()) {
            return Err(Kind::Issuer);
        }
        if claims.audience != Audience::Ours {
            return Err(Kind::Audience);
        }
        let times = Times::of(claims).ok_or(Kind::Claims)?;
        let all = self.profile.needs_all_claims();
        if all && times.issued.is_none() {
            return Err(Kind::Claims);
        }
        self.check_times(&times, now)?;
        let is_there = |text: &Text<'_>| text.as_str().is_some_and(|text| !text.is_empty());
        let may_be_there = |text: &Text<'_>| *text == Text::Absent || is_there(text);
        let is_scopes = match &claims.scope {
            Text::Absent => true,
            Text::Is(scope) => scopes::is_list(scope),
            Text::Wrong => false,
        };
        let fits = is_there(&claims.subject)
            && if all {
                is_there(&claims.client_id) && is_there(&claims.token_id)
            } else {
                may_be_there(&claims.client_id) && may_be_there(&claims.token_id)
            }
            && claims.session_id != Text::Wrong
            && is_scopes;
        if fits { Ok(times) } else { Err(Kind::Claims) }
    }

    /// Whether now is a time that the token is valid at.
    fn check_times(&self, times: &Times, now: Duration) -> Result<(), Kind> {
        let seconds = Duration::from_secs;
        if now >= seconds(times.expires).saturating_add(self.leeway) {
            return Err(Kind::Expired);
        }
        let latest = now.saturating_add(self.leeway);
        // A log-in that is ahead would be fresh for ever.
        let begins = times.not_before.max(times.issued).max(times.logged_in).unwrap_or_default();
        if seconds(begins) > latest {
            return Err(Kind::NotYetValid);
        }
        if let Some(max_age) = self.max_age {
            let issued = seconds(times.issued.ok_or(Kind::Claims)?);
            if now > issued.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(Kind::TooOld);
            }
        }
        Ok(())
    }
}

impl<C> fmt::Debug for TokenVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("expected", &self.expected)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
