//! Minting tokens.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::{Secret, Time};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Profile, VerifyError,
    claims::{Plan, Registered},
    profile::Limits,
};
use crate::{ConfigError, KeyRing, Scopes, SigningKey, key::Live};

/// Mints access tokens of RFC 9068, or of another [`Profile`]. Clones share the key.
///
/// ```
/// use hardpoint_auth::{SigningKey, TokenIssuer};
///
/// let issuer = TokenIssuer::builder(SigningKey::generate()?)
///     .issuer("https://id.example")
///     .audience("api")
///     .build()?;
/// let token = issuer
///     .token("alice")
///     .scopes(["notes:read", "notes:write"])
///     .claim("sid", "session-1")
///     .sign()?;
/// println!("issued the token {} to alice", token.token_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenIssuer {
    signer: TokenSigner,
    issuer: String,
    audience: String,
    /// How a token is read again before it is signed.
    pub(super) plan: Plan,
    pub(super) lifetime: Duration,
    pub(super) time: Time,
}

debug_only!(TokenIssuer { issuer, audience, plan, lifetime });

/// What signs tokens: a [`SigningKey`], or a `watch::Receiver<Arc<KeyRing>>`, in whose newest ring
/// the key is used whose turn it is.
#[derive(Clone)]
pub struct TokenSigner(Live<KeyRing>);

impl From<SigningKey> for TokenSigner {
    fn from(key: SigningKey) -> Self {
        Arc::new(key).into()
    }
}

impl From<Arc<SigningKey>> for TokenSigner {
    fn from(key: Arc<SigningKey>) -> Self {
        Self(Live::Fixed(Arc::new(KeyRing::new(key))))
    }
}

impl From<watch::Receiver<Arc<KeyRing>>> for TokenSigner {
    fn from(rings: watch::Receiver<Arc<KeyRing>>) -> Self {
        Self(Live::watching(rings))
    }
}

debug_only!(TokenSigner {});

/// Sets up a [`TokenIssuer`].
///
/// Defaults: [`Profile::rfc9068`], a lifetime of 15 minutes, the system's time.
#[derive(Debug)]
#[must_use]
pub struct TokenIssuerBuilder {
    signer: TokenSigner,
    issuer: String,
    audience: String,
    profile: Profile,
    lifetime: Duration,
    time: Time,
}

impl TokenIssuerBuilder {
    /// The name of the issuer: the `iss` of its tokens. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// The service that the tokens are for: their `aud`. Required.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// The kind of tokens, which verifiers must expect. Default: [`Profile::rfc9068`].
    ///
    /// Tokens of another profile have its `typ`, and a `client_id` only if it is set as a claim.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How long tokens live. Default: 15 minutes, the longest time that a stolen token should be
    /// useful without being revoked. Fractions of a second are dropped; tokens with a lifetime of 0
    /// are accepted only within the verifier's leeway.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// The issuer.
    ///
    /// # Errors
    /// [`ConfigError`] if the name of the issuer or the audience is missing, or the profile cannot work.
    pub fn build(self) -> Result<TokenIssuer, ConfigError> {
        let Self { signer, issuer, audience, profile, lifetime, time } = self;
        if issuer.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        if audience.is_empty() {
            return Err(ConfigError::NoAudience(issuer));
        }
        let plan = Plan::new(profile, None)?;
        Ok(TokenIssuer { signer, issuer, audience, plan, lifetime, time })
    }
}

impl TokenIssuer {
    /// An issuer that signs with this key, or with the keys of rings.
    pub fn builder(signer: impl Into<TokenSigner>) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            signer: signer.into(),
            issuer: String::new(),
            audience: String::new(),
            profile: Profile::rfc9068(),
            lifetime: Duration::from_secs(15 * 60),
            time: Time::system(),
        }
    }

    /// The key that signs now; `None` if every key of the ring is revoked.
    #[must_use]
    pub fn signing_key(&self) -> Option<Arc<SigningKey>> {
        self.signer.0.load().signing_key(self.time.unix()).cloned()
    }

    /// How long tokens live.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The name of the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The time since 1970, by the clock of the issuer.
    pub(crate) fn now(&self) -> Duration {
        self.time.unix()
    }

    /// A token for `subject`, which [`sign`](NewToken::sign) mints.
    pub fn token<'a>(&'a self, subject: &'a str) -> NewToken<'a> {
        NewToken { issuer: self, subject, scopes: Ok(None), claims: Vec::new() }
    }

    fn seal(&self, body: &str) -> Result<Secret<str>, IssueError> {
        let key = self.signing_key().ok_or(IssueError::Key)?;
        let (algorithm, kind) = (key.algorithm().as_str(), &*self.plan.profile.kind);
        let header = json!({ "alg": algorithm, "typ": kind, "kid": key.key_id() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(body, &mut token);
        let signature = key.sign(token.as_bytes()).map_err(|_| IssueError::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > Limits::DEFAULT.token {
            Err(IssueError::TooLong)
        } else {
            Ok(token.into())
        }
    }
}

/// A token that is not signed yet. Made by [`TokenIssuer::token`].
#[derive(Debug)]
#[must_use = "a token exists once it is signed"]
pub struct NewToken<'a> {
    issuer: &'a TokenIssuer,
    subject: &'a str,
    scopes: Result<Option<Scopes>, IssueError>,
    claims: Vec<(&'a str, Value)>,
}

impl<'a> NewToken<'a> {
    /// Grants these scopes. Default: none.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names: Vec<_> = scopes.into_iter().map(|name| name.as_ref().to_owned()).collect();
        if !names.is_empty() {
            let scopes = names.join(" ").parse().ok();
            let scopes = scopes.filter(|_| names.iter().all(|name| !name.contains(' ')));
            self.scopes = scopes.map(Some).ok_or(IssueError::Scopes);
        }
        self
    }

    /// Adds a claim. `client_id` is the client that the token is issued to; by default the audience
    /// of an access token is also its client.
    pub fn claim(mut self, name: &'a str, value: impl Into<Value>) -> Self {
        self.claims.push((name, value.into()));
        self
    }

    /// Mints the token.
    ///
    /// # Errors
    /// [`IssueError`] if the subject is empty, a scope is not one, a claim is one that the issuer
    /// sets itself (`iss`, `aud`, `sub`, `scope`, `iat`, `exp`, `nbf`, `jti`) or is duplicated,
    /// verifiers would refuse the token (a `client_id` or `sid` that is not text, an `auth_time` that
    /// is not a time or is in the future, more than 256 members, nesting above 120, more than 8 KiB),
    /// no key may sign, signing failed, or the system returns no random bytes.
    pub fn sign(self) -> Result<IssuedToken, IssueError> {
        let Self { issuer, subject, scopes, claims } = self;
        if subject.is_empty() {
            return Err(IssueError::Subject);
        }
        let now = issuer.time.unix().as_secs();
        let expires = now.saturating_add(issuer.lifetime.as_secs());
        let token_id = random_id()?;
        let mut body = json!({
            "iss": issuer.issuer, "aud": issuer.audience, "sub": subject, "iat": now,
            "exp": expires, "jti": token_id,
        });
        if let Some(scopes) = scopes? {
            body["scope"] = scopes.as_str().into();
        }
        for (name, value) in claims {
            let is_client = name != "client_id" || value.as_str().is_some_and(|id| !id.is_empty());
            let is_own = matches!(name, "nbf" | "scope");
            if !is_client || is_own || body.get(name).is_some() {
                return Err(IssueError::Claims);
            }
            body[name] = value;
        }
        if issuer.plan.profile.needs_client_id() && body.get("client_id").is_none() {
            body["client_id"] = issuer.audience.as_str().into();
        }
        let body = body.to_string();
        // Claims that verifiers read, such as `sid` and `auth_time`, must be of their type.
        let is_fresh = |claims: &mut Registered<'_>| {
            let _texts = claims.texts()?;
            Ok::<_, VerifyError>(claims.times()?.logged_in.is_none_or(|logged_in| logged_in <= now))
        };
        let read = issuer.plan.read(&body, |_| false);
        if !read.and_then(|mut claims| is_fresh(&mut claims)).unwrap_or(false) {
            return Err(IssueError::Claims);
        }
        let text = issuer.seal(&body)?;
        Ok(IssuedToken { text, token_id, expiry: Duration::from_secs(expires) })
    }
}

/// A signed token. `Debug` hides it.
#[derive(Debug)]
pub struct IssuedToken {
    text: Secret<str>,
    token_id: String,
    expiry: Duration,
}

impl IssuedToken {
    /// The text of the token, to be sent to the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The token as a secret.
    #[must_use]
    pub fn into_secret(self) -> Secret<str> {
        self.text
    }

    /// The token's own id (`jti`), under which it can be revoked.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// When the token expires, since 1970.
    #[must_use]
    pub fn expiry(&self) -> Duration {
        self.expiry
    }
}

/// 128 random bits in base64url.
fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError::Randomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A token was not minted. The error contains nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A claim is one that the issuer sets, is duplicated, or is of a type that verifiers refuse.
    #[error(
        "a claim is one that the issuer sets, is duplicated, or is of a type that verifiers refuse; rename, correct or remove it"
    )]
    Claims,
    /// No key of the ring may sign now.
    #[error("no key of the ring may sign now; add one that is not revoked")]
    Key,
    /// The system returned no random bytes.
    #[error("the system returned no random bytes for a token")]
    Randomness,
    /// A scope is not one.
    #[error("a scope is empty or contains a space, a quote, a backslash or a control character")]
    Scopes,
    /// Signing failed.
    #[error("the token was not signed")]
    Signing,
    /// The subject is empty.
    #[error("the subject is empty; name the account that the token is for")]
    Subject,
    /// The token would be longer than the 8 KiB that verifiers accept.
    #[error("the token would be longer than 8 KiB; give it fewer scopes or claims")]
    TooLong,
}
