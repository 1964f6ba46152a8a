//! Minting tokens.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::{Clock, Secret, SystemClock};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Profile, claims::Registered, json::Text, jws::MAX_TOKEN, verified::Times};
use crate::{KeyError, KeyRing, Scopes, SigningKey, key::Live};

/// Mints access tokens of RFC 9068, or of another [`Profile`]. Clones share the key.
#[derive(Clone)]
pub struct TokenIssuer<C = SystemClock> {
    signer: Signer,
    issuer: String,
    audience: String,
    profile: Profile,
    lifetime: Duration,
    clock: C,
}

#[derive(Clone)]
enum Signer {
    Key(Arc<SigningKey>),
    Ring(Live<KeyRing>),
}

impl TokenIssuer {
    /// Mints tokens in the name of `issuer` for `audience`, signed with `key`.
    #[must_use]
    pub fn new(
        key: impl Into<Arc<SigningKey>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self::of(Signer::Key(key.into()), issuer.into(), audience.into())
    }

    /// The same with keys that follow one another: each token is signed with the key whose turn it is
    /// when it is minted, in the ring that the channel holds then.
    #[must_use]
    pub fn rotating(
        ring: watch::Receiver<Arc<KeyRing>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self::of(Signer::Ring(Live::watching(ring)), issuer.into(), audience.into())
    }

    const fn of(signer: Signer, issuer: String, audience: String) -> Self {
        let lifetime = Duration::from_secs(15 * 60);
        let profile = Profile::rfc9068();
        Self { signer, issuer, audience, profile, lifetime, clock: SystemClock }
    }
}

impl<C: Clock> TokenIssuer<C> {
    /// Which kind of tokens are minted, and verifiers have to expect. Default:
    /// [`Profile::rfc9068`].
    ///
    /// Tokens of another profile have its `typ`, and a `client_id` only if it is a further claim.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How long tokens live. Default: 15 minutes, the longest time that a stolen token should be of
    /// use without being revoked. Fractions of a second are dropped; 0 makes tokens that are only
    /// accepted within the verifier's leeway.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock<Other: Clock>(self, clock: Other) -> TokenIssuer<Other> {
        let Self { signer, issuer, audience, profile, lifetime, clock: _ } = self;
        TokenIssuer { signer, issuer, audience, profile, lifetime, clock }
    }

    /// The key that tokens are signed with now; `None` if every key of the ring is revoked.
    #[must_use]
    pub fn signing_key(&self) -> Option<Arc<SigningKey>> {
        match &self.signer {
            Signer::Key(key) => Some(Arc::clone(key)),
            Signer::Ring(ring) => ring.load().signing_key(self.clock.unix()).cloned(),
        }
    }

    /// How long tokens live.
    #[must_use]
    pub const fn token_lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token for `subject` that allows `scopes`. The `client_id` of an access token is the
    /// audience: see [`issue_with`](Self::issue_with).
    ///
    /// # Errors
    /// [`IssueError`] if the subject is empty, the token would be longer than verifiers accept, no key
    /// may sign, signing failed, or the system gave no randomness.
    pub fn issue(&self, subject: &str, scopes: &Scopes) -> Result<Secret<str>, IssueError> {
        self.issue_with(subject, scopes, [])
    }

    /// A token with further claims. `client_id` may be one of them: the client that the token is issued
    /// to, if the audience itself is not the client.
    ///
    /// # Errors
    /// As [`issue`](Self::issue), and [`IssueErrorKind::Claims`] for a claim that the issuer sets itself
    /// (`iss`, `aud`, `sub`, `scope`, `iat`, `exp`, `nbf`, `jti`), one that stands there twice, and what
    /// verifiers would refuse: a `client_id` or `sid` that is no text, an `auth_time` that is no time or ahead,
    /// more than 256 members, or nesting above 120.
    pub fn issue_with<'a>(
        &self,
        subject: &str,
        scopes: &Scopes,
        claims: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Secret<str>, IssueError> {
        if subject.is_empty() {
            return Err(IssueError::new(IssueErrorKind::Subject));
        }
        let now = self.clock.unix().as_secs();
        let mut body = Map::new();
        for (name, value) in [
            ("iss", self.issuer.as_str().into()),
            ("aud", self.audience.as_str().into()),
            ("sub", subject.into()),
            ("iat", now.into()),
            ("exp", now.saturating_add(self.lifetime.as_secs()).into()),
            ("jti", random_id()?.into()),
        ] {
            body.insert(name.to_owned(), value);
        }
        // A list of scopes has at least one (RFC 6749 §3.3).
        if !scopes.as_str().is_empty() {
            body.insert("scope".to_owned(), scopes.as_str().into());
        }
        for (name, value) in claims {
            let is_client = name != "client_id" || value.as_str().is_some_and(|id| !id.is_empty());
            let is_own = matches!(name, "nbf" | "scope");
            if !is_client || is_own || body.insert(name.to_owned(), value).is_some() {
                return Err(IssueError::new(IssueErrorKind::Claims));
            }
        }
        if self.profile.needs_all_claims() {
            body.entry("client_id").or_insert_with(|| self.audience.as_str().into());
        }
        let body = Value::Object(body).to_string();
        // What verifiers read in further claims, such as `sid` and `auth_time`, has to be of its type.
        let is_readable = Registered::parse(&body, &self.audience)
            .filter(|claims| claims.session_id != Text::Wrong)
            .and_then(|claims| Times::of(&claims))
            .is_some_and(|times| times.logged_in.is_none_or(|logged_in| logged_in <= now));
        if !is_readable {
            return Err(IssueError::new(IssueErrorKind::Claims));
        }
        self.seal(&body)
    }

    fn seal(&self, body: &str) -> Result<Secret<str>, IssueError> {
        let key = self.signing_key().ok_or(IssueError::new(IssueErrorKind::Key))?;
        let (algorithm, kind) = (key.algorithm().as_str(), self.profile.kind());
        let header = json!({ "alg": algorithm, "typ": kind, "kid": key.key_id() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(body, &mut token);
        let failed = |source| IssueError { kind: IssueErrorKind::Signing, source: Some(source) };
        let signature = key.sign(token.as_bytes()).map_err(failed)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_TOKEN {
            return Err(IssueError::new(IssueErrorKind::TooLong));
        }
        Ok(token.into())
    }
}

/// 128 random bits in base64url.
fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError::new(IssueErrorKind::Randomness))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl<C> fmt::Debug for TokenIssuer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("profile", &self.profile)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A token was not minted. It holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueError {
    kind: IssueErrorKind,
    source: Option<KeyError>,
}

impl IssueError {
    const fn new(kind: IssueErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> IssueErrorKind {
        self.kind
    }
}

/// The kinds of [`IssueError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueErrorKind {
    /// A further claim is one that the issuer sets, stands there twice, or is of a type that verifiers
    /// refuse.
    Claims,
    /// No key of the ring may sign now.
    Key,
    /// The system gave no randomness.
    Randomness,
    /// Signing failed.
    Signing,
    /// The subject is empty.
    Subject,
    /// The token would be longer than the 8 KiB that verifiers accept.
    TooLong,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            IssueErrorKind::Claims => {
                "a further claim is one that the issuer sets, stands there twice, or is of a type that \
                 verifiers refuse; rename, mend or remove it"
            }
            IssueErrorKind::Key => "no key of the ring may sign now; add one that is not revoked",
            IssueErrorKind::Randomness => "the system gave no randomness for a token",
            IssueErrorKind::Signing => "the token was not signed",
            IssueErrorKind::Subject => "the subject is empty; a token belongs to somebody",
            IssueErrorKind::TooLong => {
                "the token would be longer than 8 KiB; give it fewer scopes or claims"
            }
        })
    }
}

impl Error for IssueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
