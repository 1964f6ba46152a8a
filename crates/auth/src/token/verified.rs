//! A token that was verified.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{AuthMethod, Identity, Principal};
use serde::de::DeserializeOwned;

use super::{
    Claims,
    claims::{Name, Texts, Times},
};
use crate::{Algorithm, Scopes, VerifyingKey, json::Json};

/// A verified token: its subject, and what the token allows.
///
/// Only a [`TokenVerifier`](crate::TokenVerifier) makes one. Behind an
/// [`AuthLayer`](crate::AuthLayer) a handler reads the request's [`Identity`], and
/// [`from_identity`](Self::from_identity) returns the token that the identity was made from. Clones
/// share the token. `Debug` shows nothing personal.
#[derive(Clone)]
pub struct VerifiedToken {
    inner: Arc<Inner>,
}

struct Inner {
    /// The payload, and behind it the claims that contained escapes, unescaped.
    text: String,
    payload: usize,
    spans: [Option<Span>; 6],
    times: Times,
    key: VerifyingKey,
    claims: OnceLock<Claims>,
}

/// A part of a text that is not longer than a token and its claims.
type Span = Range<u16>;

impl VerifiedToken {
    /// The token of a payload whose signature was verified with this key.
    pub(super) fn new(payload: &str, texts: &Texts<'_>, times: Times, key: &VerifyingKey) -> Self {
        let span = |begin: usize, length: usize| {
            let place = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
            Some(place(begin)..place(begin.saturating_add(length)))
        };
        let mut unescaped = String::new();
        let spans = texts.each_ref().map(|claim| match claim {
            Json::Text(Cow::Borrowed(part)) => {
                let begin = part.as_ptr().addr().saturating_sub(payload.as_ptr().addr());
                span(begin, part.len())
            }
            Json::Text(Cow::Owned(part)) => {
                let begin = payload.len() + unescaped.len();
                unescaped.push_str(part);
                span(begin, part.len())
            }
            _ => None,
        });
        let mut text = String::with_capacity(payload.len() + unescaped.len());
        text.extend([payload, &unescaped]);
        let (payload, key) = (payload.len(), key.clone());
        Self {
            inner: Arc::new(Inner { text, payload, spans, times, key, claims: OnceLock::new() }),
        }
    }

    /// The token that an identity was made from; `None` if the caller used another method. Costs no
    /// allocation.
    #[must_use]
    pub fn from_identity(identity: &Identity) -> Option<Self> {
        identity.downcast().map(|inner| Self { inner })
    }

    /// The identity of the token's subject. Costs no allocation.
    #[must_use]
    pub fn into_identity(self) -> Identity {
        Identity::new(self.inner)
    }

    /// Who made the token. Only issuer and subject together identify a caller.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.inner.text(Name::Issuer).unwrap_or_default()
    }

    /// The subject of the token.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.inner.subject()
    }

    /// The granted scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.inner.scope().split(' ').filter(|name| !name.is_empty())
    }

    /// Whether the token grants all of these scopes.
    #[must_use]
    pub fn allows(&self, required: &Scopes) -> bool {
        required.iter().all(|name| self.scopes().any(|own| own == name))
    }

    /// The client that the token was issued to (`client_id`).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.inner.text(Name::ClientId)
    }

    /// The token's own id (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.inner.text(Name::TokenId)
    }

    /// The id of the session that the token belongs to (`sid`).
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.inner.session_id()
    }

    /// When the token expires, since 1970.
    #[must_use]
    pub fn expiry(&self) -> Duration {
        Duration::from_secs(self.inner.times.expires)
    }

    /// When the token was issued, since 1970.
    #[must_use]
    pub fn issued(&self) -> Option<Duration> {
        self.inner.times.issued.map(Duration::from_secs)
    }

    /// When the subject proved who it is (`auth_time`), since 1970.
    #[must_use]
    pub fn logged_in(&self) -> Option<Duration> {
        self.inner.logged_in()
    }

    /// The epoch of the subject when its session minted the token (`epoch`); `None` if the claim is
    /// absent or not a whole number.
    ///
    /// Revoking all sessions of a subject makes its epoch larger: see
    /// [`Revocations`](crate::Revocations).
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.inner.times.epoch
    }

    /// The id of the key that signed the token.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.inner.key.key_id()
    }

    /// The algorithm of that key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.key.algorithm()
    }

    /// All claims, parsed on first use and cached.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.inner.claims()
    }

    /// All claims as a `T`; `None` if they do not fit.
    #[must_use]
    pub fn claims_as<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.inner.payload()).ok()
    }

    pub(super) fn times(&self) -> &Times {
        &self.inner.times
    }

    pub(super) fn key(&self) -> &VerifyingKey {
        &self.inner.key
    }

    /// The most memory that the token takes, once [`claims`](Self::claims) has parsed its claims.
    ///
    /// Those take a map node for each object, at least half-filled nodes for its members, and what
    /// vectors reserve for values. Each value but the first of an object or array follows a comma.
    pub(super) fn size(&self) -> usize {
        const OBJECT: usize = 704;
        const VALUE: usize = 160;

        let payload = self.inner.payload().as_bytes();
        let objects = count(payload, |byte| byte == b'{');
        let values = count(payload, |byte| (byte == b'{') | (byte == b'[') | (byte == b','));
        let texts = 2 * self.inner.text.capacity();
        size_of::<Inner>() + texts + objects * OBJECT + values * VALUE
    }
}

/// The number of bytes that `sought` accepts. The count of one chunk fits into a byte, so the
/// compiler can add many at once.
fn count(text: &[u8], sought: impl Fn(u8) -> bool) -> usize {
    let count = |part: &[u8]| part.iter().map(|byte| u8::from(sought(*byte))).sum::<u8>();
    text.chunks(usize::from(u8::MAX)).map(|part| usize::from(count(part))).sum()
}

debug_only!(VerifiedToken {});

impl Inner {
    fn text(&self, name: Name) -> Option<&str> {
        let span = self.spans.get(name as usize)?.as_ref()?;
        self.text.get(span.start.into()..span.end.into())
    }

    fn payload(&self) -> &str {
        self.text.get(..self.payload).unwrap_or_default()
    }

    fn claims(&self) -> &Claims {
        self.claims.get_or_init(|| Claims::parse(self.payload()))
    }
}

impl Principal for Inner {
    fn subject(&self) -> &str {
        self.text(Name::Subject).unwrap_or_default()
    }

    fn method(&self) -> AuthMethod {
        AuthMethod::Token
    }

    fn issuer(&self) -> Option<&str> {
        self.text(Name::Issuer)
    }

    fn session_id(&self) -> Option<&str> {
        self.text(Name::SessionId)
    }

    fn scope(&self) -> &str {
        self.text(Name::Scope).unwrap_or_default()
    }

    fn has_role(&self, claim: &str, role: &str) -> bool {
        self.claims().has(claim, role)
    }

    fn omits_roles(&self, claim: &str) -> bool {
        self.claims().omits(claim)
    }

    fn logged_in(&self) -> Option<Duration> {
        self.times.logged_in.map(Duration::from_secs)
    }
}
