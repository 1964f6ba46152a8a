//! Checking tokens.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::{Clock, SystemClock};
use tokio::sync::watch;

use super::{Claims, VerifyError, VerifyErrorKind, jws};
use crate::{KeySet, ParseScopesError, Scopes};

/// Checks access tokens: the signature, and every expectation, none of which can be left out.
///
/// # Semantics
/// A token is accepted if all of this is true (RFC 9068 §4, RFC 8725):
/// 1. It is at most 8 KiB of three base64url parts without padding; its header at most 1 KiB.
/// 2. Its header names a key of the set by `kid` (or none, if the set has only one key) and exactly
///    that key's algorithm, has `typ` `at+jwt`, and demands no extension (`crit`, `b64`).
/// 3. The signature is that key's.
/// 4. `iss` is the expected issuer, `aud` is the expected audience or a list with it, and `sub`,
///    `client_id`, `jti`, `iat` and `exp` are there, of the right type, and each only once.
/// 5. `exp` is ahead; `nbf`, if there is one, and `iat` are not; all within the leeway.
///
/// Clones share the keys.
#[derive(Clone)]
pub struct TokenVerifier<C = SystemClock> {
    keys: Keys,
    expected: Arc<Expected>,
    clock: C,
}

#[derive(Clone)]
enum Keys {
    Fixed(Arc<KeySet>),
    Watched(watch::Receiver<Arc<KeySet>>),
}

#[derive(Clone)]
struct Expected {
    issuer: String,
    audience: String,
    leeway: Duration,
}

impl TokenVerifier {
    /// Accepts tokens that `issuer` made for `audience`, signed with one of `keys`.
    #[must_use]
    pub fn new(keys: KeySet, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(Keys::Fixed(Arc::new(keys)), issuer.into(), audience.into())
    }

    /// The same with keys that change: whatever the channel holds when a token comes is used.
    #[must_use]
    pub fn watching(
        keys: watch::Receiver<Arc<KeySet>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self::of(Keys::Watched(keys), issuer.into(), audience.into())
    }

    fn of(keys: Keys, issuer: String, audience: String) -> Self {
        let expected = Expected { issuer, audience, leeway: Duration::from_secs(30) };
        Self { keys, expected: Arc::new(expected), clock: SystemClock }
    }
}

impl<C: Clock> TokenVerifier<C> {
    /// How far clocks may be apart. Default: 30 s, which machines that keep time stay within.
    ///
    /// More of it lets expired tokens live on for as long; 0 refuses tokens of an issuer whose clock
    /// is ahead by a second.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        Arc::make_mut(&mut self.expected).leeway = leeway;
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock<Other: Clock>(self, clock: Other) -> TokenVerifier<Other> {
        TokenVerifier { keys: self.keys, expected: self.expected, clock }
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
        let opened = match &self.keys {
            Keys::Fixed(keys) => jws::open(token, keys),
            Keys::Watched(keys) => jws::open(token, &Arc::clone(&*keys.borrow())),
        }?;
        if !opened.kind.as_deref().is_some_and(is_access_token) {
            return Err(VerifyError::new(VerifyErrorKind::Type));
        }
        let claims = serde_json::from_slice(&opened.payload)
            .map_err(|_| VerifyError::new(VerifyErrorKind::Claims))?;
        self.check(claims).map_err(VerifyError::new)
    }

    fn check(&self, claims: Claims) -> Result<Verified, VerifyErrorKind> {
        if claims.text("iss") != Some(self.expected.issuer.as_str()) {
            return Err(VerifyErrorKind::Issuer);
        }
        if claims.is_for(&self.expected.audience) != Ok(true) {
            return Err(VerifyErrorKind::Audience);
        }
        let expiry = self.check_time(&claims)?;
        let named =
            |name| claims.text(name).filter(|text| !text.is_empty()).ok_or(VerifyErrorKind::Claims);
        named("client_id")?;
        named("jti")?;
        let subject = named("sub")?.to_owned();
        let scopes = match (claims.has("scope"), claims.text("scope")) {
            (false, _) => Scopes::none(),
            (true, Some(text)) => {
                text.parse().map_err(|_: ParseScopesError| VerifyErrorKind::Claims)?
            }
            (true, None) => return Err(VerifyErrorKind::Claims),
        };
        Ok(Verified { subject, scopes, expiry, claims })
    }

    /// The time of expiry since 1970, if now is a time that the token is valid at.
    fn check_time(&self, claims: &Claims) -> Result<Duration, VerifyErrorKind> {
        let date = |name| claims.date(name).map_err(|()| VerifyErrorKind::Claims);
        let (Some(expiry), Some(issued)) = (date("exp")?, date("iat")?) else {
            return Err(VerifyErrorKind::Claims);
        };
        let (now, leeway) = (self.clock.unix(), self.expected.leeway);
        if now >= Duration::from_secs(expiry).saturating_add(leeway) {
            return Err(VerifyErrorKind::Expired);
        }
        let latest = now.saturating_add(leeway);
        let begins = date("nbf")?.map_or(issued, |not_before| not_before.max(issued));
        if Duration::from_secs(begins) > latest {
            return Err(VerifyErrorKind::NotYetValid);
        }
        Ok(Duration::from_secs(expiry))
    }
}

/// `at+jwt`, alone or as a media type; media types know no case (RFC 9068 §4, RFC 7515 §4.1.9).
fn is_access_token(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("at+jwt") || kind.eq_ignore_ascii_case("application/at+jwt")
}

impl<C> fmt::Debug for TokenVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("issuer", &self.expected.issuer)
            .field("audience", &self.expected.audience)
            .field("leeway", &self.expected.leeway)
            .finish_non_exhaustive()
    }
}

/// A token that was verified: whom it belongs to, and what it allows.
///
/// The only way to get one is [`TokenVerifier::verify`]. `Debug` shows nothing personal.
#[derive(Clone)]
pub struct Verified {
    subject: String,
    scopes: Scopes,
    expiry: Duration,
    claims: Claims,
}

impl Verified {
    /// Whom the token belongs to.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What it allows.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// When it expires, since 1970.
    #[must_use]
    pub const fn expiry(&self) -> Duration {
        self.expiry
    }

    /// All that it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}
