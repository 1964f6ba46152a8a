//! Minting tokens.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::{Clock, Secret, SystemClock};
use serde_json::{Value, json};

use crate::{KeyError, Scopes, SigningKey, VerifyingKey};

/// Mints access tokens of RFC 9068. Clones share the key.
#[derive(Clone, Debug)]
pub struct TokenIssuer<C = SystemClock> {
    key: Arc<SigningKey>,
    issuer: String,
    audience: String,
    lifetime: Duration,
    clock: C,
}

impl TokenIssuer {
    /// Mints tokens in the name of `issuer` for `audience`, signed with `key`.
    #[must_use]
    pub fn new(
        key: impl Into<Arc<SigningKey>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            issuer: issuer.into(),
            audience: audience.into(),
            lifetime: Duration::from_secs(15 * 60),
            clock: SystemClock,
        }
    }
}

impl<C: Clock> TokenIssuer<C> {
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
        let Self { key, issuer, audience, lifetime, clock: _ } = self;
        TokenIssuer { key, issuer, audience, lifetime, clock }
    }

    /// The public half of the key that tokens are signed with.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// How long tokens live.
    #[must_use]
    pub const fn token_lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token for `subject` that allows `scopes`.
    ///
    /// # Errors
    /// [`IssueError`] if signing failed, or the system gave no randomness.
    pub fn issue(&self, subject: &str, scopes: &Scopes) -> Result<Secret<str>, IssueError> {
        self.issue_with(subject, scopes, [])
    }

    /// A token with further claims. They cannot replace those that the issuer sets.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn issue_with<'a>(
        &self,
        subject: &str,
        scopes: &Scopes,
        claims: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Secret<str>, IssueError> {
        let now = self.clock.unix().as_secs();
        let mut body: serde_json::Map<String, Value> =
            claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, value) in [
            ("iss", self.issuer.as_str().into()),
            ("aud", self.audience.as_str().into()),
            ("client_id", self.audience.as_str().into()),
            ("sub", subject.into()),
            ("scope", scopes.as_str().into()),
            ("iat", now.into()),
            ("exp", now.saturating_add(self.lifetime.as_secs()).into()),
            ("jti", random_id()?.into()),
        ] {
            body.insert(name.to_owned(), value);
        }
        self.seal(&Value::Object(body))
    }

    fn seal(&self, body: &Value) -> Result<Secret<str>, IssueError> {
        let header = json!({ "alg": self.key.algorithm().as_str(), "typ": "at+jwt", "kid": self.key.key_id() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(body.to_string(), &mut token);
        let signature =
            self.key.sign(token.as_bytes()).map_err(|error| IssueError { source: Some(error) })?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token.into())
    }
}

/// 128 random bits in base64url.
fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError { source: None })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A token was not minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueError {
    source: Option<KeyError>,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "the token was not signed",
            None => "the system gave no randomness for a token",
        })
    }
}

impl Error for IssueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
