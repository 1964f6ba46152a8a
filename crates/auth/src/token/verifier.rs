//! Verifying tokens.

use std::{
    net::IpAddr,
    ptr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Identity, Rejection, Telemetry, Time,
    event::{StoreErrorKind, StoreFailed, StoreKind, TokenVerified},
};
use serde::de::DeserializeOwned;

use super::{
    AskedStore, Revocation, RevocationPolicy, RevocationState, TokenVerifierBuilder, VerifiedToken,
    VerifyError, VerifyErrorKind as Kind,
    cache::Cache,
    claims::Times,
    jws::{Header, Parts},
    profile::Limits,
    trust::Trust,
};
use crate::{
    Attempt, AuthRejection, Authenticator, Credential,
    key::{KeyFinder, Refreshed},
};

/// Verifies access tokens of any number of issuers: the signature, and every expectation, none of
/// which can be left out.
///
/// ```
/// use hardpoint_auth::{KeySet, SigningKey, TokenIssuer, TokenVerifier, VerifyErrorKind};
///
/// let (ours, theirs) = ("https://ours.example", "https://theirs.example");
/// let (our_key, their_key) = (SigningKey::generate()?, SigningKey::generate()?);
/// let verifier = TokenVerifier::builder()
///     .issuer(ours, KeySet::new([our_key.verifying_key()])?)
///     .issuer(theirs, KeySet::new([their_key.verifying_key()])?)
///     .audience("api")
///     .build()?;
///
/// let issuer = TokenIssuer::builder(our_key).issuer(ours).audience("api").build()?;
/// let token = issuer.token("alice").sign()?;
/// assert_eq!(verifier.verify(token.expose())?.subject(), "alice");
///
/// // Their key signs for our issuer.
/// let forger = TokenIssuer::builder(their_key).issuer(ours).audience("api").build()?;
/// let forged = forger.token("alice").sign()?;
/// assert_eq!(verifier.verify(forged.expose()).unwrap_err().kind(), VerifyErrorKind::Issuer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Semantics
/// A token is accepted if all of the following hold (RFC 9068 §4, RFC 8725):
/// 1. It is at most 8 KiB of three base64url parts without padding; its header is at most 1 KiB.
/// 2. Its header names a key of a trusted issuer by `kid` (or none, if the issuer has only one key of its algorithm)
///    and exactly that key's algorithm, has the `typ` of the [`Profile`](crate::Profile), and
///    demands no extension (`crit`, `b64`). If several issuers have a key with this id and
///    algorithm, or the header has no `kid`, the unverified `iss` chooses between them.
/// 3. The signature is that key's, and the key's time is not over.
/// 4. `iss` is that key's issuer, `aud` is one of its audiences or an array that contains one, and
///    the claims of the profile are present. Every claim that has a meaning to the verifier is of
///    the right type, and no member is duplicated.
/// 5. `exp` is in the future; `nbf`, `iat` and `auth_time`, if present, are not; all within the
///    leeway. The token was issued at most [`max_age`](TokenVerifierBuilder::max_age) ago.
/// 6. It was not revoked, as far as [`revocation`](TokenVerifierBuilder::revocation) knows.
///
/// A token from the [`cache`](TokenVerifierBuilder::cache) is not parsed again, but 5, 6 and the
/// presence of its key are checked each time.
///
/// Clones share the keys, the cache and the revocation.
#[derive(Clone)]
pub struct TokenVerifier {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) issuers: Vec<Trust>,
    /// The longest token of any issuer.
    pub(super) limits: Limits,
    pub(super) leeway: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) cache: Option<Cache>,
    pub(super) revocation: Option<Arc<dyn Revocation>>,
    pub(super) unknown_revocation: RevocationPolicy,
    pub(super) time: Time,
    pub(super) telemetry: OnceLock<Telemetry>,
}

/// How far a verification came without waiting.
enum Step {
    Done(VerifiedToken),
    /// The token names a key that the set does not contain.
    FindKey(Arc<dyn KeyFinder>, Option<String>),
    /// Everything but the revocation is verified.
    AskStore(VerifiedToken, AskedStore),
}

impl TokenVerifier {
    /// Trusts no issuer yet.
    pub fn builder() -> TokenVerifierBuilder {
        TokenVerifierBuilder::new()
    }

    /// Verifies a token with what this process holds, without waiting.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log: do not send the kind to the client. A key id that only
    /// the issuer may know is [`UnknownKeys`](Kind::UnknownKeys), and a revocation that only a store
    /// knows is [`RevocationUnknown`](Kind::RevocationUnknown): see
    /// [`verify_or_wait`](Self::verify_or_wait).
    pub fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        match self.inner.step(token)? {
            Step::Done(token) => Ok(token),
            Step::FindKey(..) => Err(Kind::UnknownKeys.into()),
            Step::AskStore(..) => Err(Kind::RevocationUnknown.into()),
        }
    }

    /// Verifies a token, and asks its issuer for an unknown key and a store for its revocation where
    /// that is needed. Callers share one budget for unknown keys: an
    /// [`AuthLayer`](crate::AuthLayer) gives each network of clients its own.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log: do not send the kind to the client.
    pub async fn verify_or_wait(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        let step = self.inner.step(token)?;
        self.inner.wait(token, step, None).await
    }

    /// Verifies a token as [`verify`](Self::verify) does, and reads its claims as a `T`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and [`Claims`](Kind::Claims) if they do not fit.
    pub fn verify_as<T: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<(VerifiedToken, T), VerifyError> {
        let verified = self.verify(token)?;
        let claims = verified.claims_as().ok_or(Kind::Claims)?;
        Ok((verified, claims))
    }
}

impl Inner {
    fn step(&self, token: &str) -> Result<Step, VerifyError> {
        let parts = Parts::split(token, self.limits)?;
        let now = self.time.unix();
        if let Some(known) = self.cached(&parts, now) {
            return self.ask(known);
        }
        let step = match self.open(&parts, now)? {
            Step::Done(token) => self.ask(token)?,
            step => return Ok(step),
        };
        if let Step::Done(token) = &step {
            self.keep(&parts, token);
        }
        Ok(step)
    }

    async fn wait(
        &self,
        token: &str,
        mut step: Step,
        network: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        if let Step::FindKey(finder, key_id) = &step {
            match finder.find(key_id.as_deref(), network).await {
                Refreshed::Failed => return Err(Kind::UnknownKeys.into()),
                Refreshed::Spent(wait) => return Err(VerifyError::too_many_key_ids(wait)),
                Refreshed::Unknown => return Err(Kind::KeyId.into()),
                Refreshed::Found => step = self.step(token)?,
            }
        }
        match step {
            Step::Done(token) => Ok(token),
            Step::FindKey(..) => Err(Kind::KeyId.into()),
            Step::AskStore(verified, mut answer) => {
                while let Some(next) = self.judge(answer.await)? {
                    answer = next;
                }
                self.keep(&Parts::split(token, self.limits)?, &verified);
                Ok(verified)
            }
        }
    }

    fn ask(&self, token: VerifiedToken) -> Result<Step, VerifyError> {
        let Some(revocation) = &self.revocation else { return Ok(Step::Done(token)) };
        let mut state = revocation.state(&token);
        if matches!(state, RevocationState::Unknown)
            && self.unknown_revocation == RevocationPolicy::AskStore
            && let Some(asked) = revocation.ask(&token)
        {
            state = RevocationState::AskStore(asked);
        }
        match self.judge(state)? {
            None => Ok(Step::Done(token)),
            Some(answer) => Ok(Step::AskStore(token, answer)),
        }
    }

    /// Whether a token in this state is accepted; the answer of a store, if that decides.
    fn judge(&self, state: RevocationState) -> Result<Option<AskedStore>, Kind> {
        match state {
            RevocationState::AskStore(answer) => return Ok(Some(answer)),
            RevocationState::Live => return Ok(None),
            RevocationState::Revoked => return Err(Kind::Revoked),
            RevocationState::Unknown => {}
        }
        if let Some(telemetry) = self.telemetry.get() {
            let failed = StoreFailed::new(StoreKind::Revocation, StoreErrorKind::Unavailable);
            telemetry.on(&failed.into());
        }
        match self.unknown_revocation {
            RevocationPolicy::Allow => Ok(None),
            // The store was asked, or cannot be.
            RevocationPolicy::AskStore | RevocationPolicy::Deny => Err(Kind::RevocationUnknown),
        }
    }

    fn keep(&self, parts: &Parts<'_>, token: &VerifiedToken) {
        if let Some(cache) = &self.cache {
            cache.insert(parts, token, self.time.unix());
        }
    }

    /// A cached token, if it would still be accepted. Otherwise the whole verification says why not.
    fn cached(&self, parts: &Parts<'_>, now: Duration) -> Option<VerifiedToken> {
        let cache = self.cache.as_ref()?;
        let token = cache.find(parts, now)?;
        let verifies = |issuer: &Trust| {
            issuer.is_named(token.issuer())
                && issuer.verifies_until(token.key().fingerprint()).is_some_and(|until| now < until)
        };
        if self.issuers.iter().any(verifies) && self.check_times(token.times(), now).is_ok() {
            return Some(token);
        }
        cache.remove(parts);
        None
    }

    fn open(&self, parts: &Parts<'_>, now: Duration) -> Result<Step, VerifyError> {
        let check_times = |times: &Times| self.check_times(times, now);
        // An issuer repeats its header in each token: one that was verified before was checked then.
        if let [issuer] = self.issuers.as_slice()
            && let Some((member, kind)) = issuer.keys.live.load().remembered(parts.header)
        {
            return parts.with_payload(|payload| {
                parts.check_signature(member, now)?;
                issuer.read(parts, payload, member, kind, check_times).map(Step::Done)
            });
        }
        parts.with_header(|header| {
            let issuer = self.issuer(header, parts)?;
            let opened = self.open_as(issuer, header, parts, now);
            // An issuer may list a key id of another one, whose key it does not have.
            if let Err(error) = &opened
                && error.kind() == Kind::Signature
                && let Some(other) = self.named(parts).filter(|other| !ptr::eq(*other, issuer))
            {
                return self.open_as(other, header, parts, now);
            }
            opened
        })
    }

    fn open_as(
        &self,
        issuer: &Trust,
        header: &Header<'_>,
        parts: &Parts<'_>,
        now: Duration,
    ) -> Result<Step, VerifyError> {
        let (keys, rule) = (issuer.keys.live.load(), issuer.plan.profile.key_id);
        let signer = match parts.signer(header, &keys, rule, now) {
            Ok(signer) => signer,
            Err(Kind::KeyId) => {
                let finder = issuer.finder(parts).ok_or(Kind::KeyId)?;
                let key_id = header.key_id(rule).map(str::to_owned);
                return Ok(Step::FindKey(Arc::clone(finder), key_id));
            }
            Err(kind) => return Err(kind.into()),
        };
        if signer.is_only {
            signer.member.remember(parts.header, header.kind());
        }
        let check_times = |times: &Times| self.check_times(times, now);
        parts.with_payload(|payload| {
            issuer.read(parts, payload, signer.member, header.kind(), check_times).map(Step::Done)
        })
    }

    /// The trusted issuer that the payload names, which is not verified.
    fn named(&self, parts: &Parts<'_>) -> Option<&Trust> {
        if self.issuers.len() < 2 {
            return None;
        }
        parts.with_issuer(|name| self.issuers.iter().find(|issuer| issuer.is_named(name)))
    }

    /// The issuer that the token is from, if it is from a trusted one: the only one with the
    /// header's key, or, where several or none have it, the one that the payload names.
    fn issuer(&self, header: &Header<'_>, parts: &Parts<'_>) -> Result<&Trust, Kind> {
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let has_key = |issuer: &&Trust| {
            header.names_key(issuer.keys.live.load().members(), issuer.plan.profile.key_id)
        };
        let mut with_key = self.issuers.iter().filter(has_key);
        if let (Some(only), None) = (with_key.next(), with_key.next()) {
            return Ok(only);
        }
        let named = parts.with_issuer(|name| {
            let mut named = self.issuers.iter().filter(|issuer| issuer.is_named(name));
            named.clone().find(has_key).or_else(|| named.next())
        });
        named.ok_or(Kind::Issuer)
    }

    /// Whether the token is valid now.
    fn check_times(&self, times: &Times, now: Duration) -> Result<(), VerifyError> {
        let seconds = Duration::from_secs;
        if now >= seconds(times.expires).saturating_add(self.leeway) {
            return Err(VerifyError::about(Kind::Expired, "exp"));
        }
        let latest = now.saturating_add(self.leeway);
        // A log-in in the future would be fresh for ever.
        let begins =
            [("nbf", times.not_before), ("iat", times.issued), ("auth_time", times.logged_in)];
        let is_later = |begin: Option<u64>| begin.is_some_and(|begin| seconds(begin) > latest);
        if let Some((claim, _)) = begins.into_iter().find(|(_, begin)| is_later(*begin)) {
            return Err(VerifyError::about(Kind::NotYetValid, claim));
        }
        if let Some(max_age) = self.max_age {
            let about = |kind| VerifyError::about(kind, "iat");
            let issued = seconds(times.issued.ok_or_else(|| about(Kind::Claims))?);
            if now > issued.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(about(Kind::TooOld));
            }
        }
        Ok(())
    }

    /// Reports a verification for an authentication layer.
    fn report(
        &self,
        answer: Result<VerifiedToken, VerifyError>,
    ) -> Result<Identity, Box<dyn Rejection>> {
        let result = answer.as_ref().map(drop).map_err(VerifyError::kind);
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&TokenVerified::new(result).into());
        }
        answer.map(VerifiedToken::into_identity).map_err(|error| {
            tracing::debug!(
                target: "hardpoint::auth::bearer",
                reason = error.kind().as_str(),
                claim = error.claim(),
                "token refused"
            );
            Box::new(match error.kind() {
                Kind::RevocationUnknown => AuthRejection::RevocationUnavailable,
                Kind::UnknownKeys => AuthRejection::KeysUnavailable,
                Kind::TooManyKeyIds => {
                    AuthRejection::TooManyKeyIds(error.retry_after().unwrap_or_default())
                }
                _ => AuthRejection::InvalidToken(error),
            }) as _
        })
    }
}

impl Authenticator for TokenVerifier {
    fn authenticate(&self, credential: Credential<'_>) -> Attempt {
        let token = credential.text();
        match self.inner.step(token) {
            Ok(Step::Done(verified)) => Attempt::Now(self.inner.report(Ok(verified))),
            Err(kind) => Attempt::Now(self.inner.report(Err(kind))),
            Ok(step) => {
                let (inner, token) = (Arc::clone(&self.inner), token.to_owned());
                let network = credential.network();
                Attempt::Later(Box::pin(async move {
                    let answer = inner.wait(&token, step, network).await;
                    inner.report(answer)
                }))
            }
        }
    }

    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn telemetry(&self, telemetry: &Telemetry) {
        telemetry.fill(&self.inner.telemetry);
    }
}

debug_only!(Inner { issuers, leeway, max_age, cache });
debug_only!(TokenVerifier { inner });
