//! An issuer whose tokens are accepted, and what is expected of them.

use std::{sync::Arc, time::Duration};

use super::{
    Profile, VerifiedToken, VerifyErrorKind as Kind,
    claims::{Name, Registered, Times},
    jws::Parts,
};
use crate::{
    IssuerKeys,
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
        let needs_all = self.expected().needs_all_claims();
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
