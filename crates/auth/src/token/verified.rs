//! A token that was verified.

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    Claims,
    claims::Registered,
    json::{Date, Text},
};
use crate::{Algorithm, Scopes, VerifyingKey};

/// A token that was verified: whom it belongs to, and what it allows.
///
/// The only way to get one is a [`TokenVerifier`](crate::TokenVerifier). Clones share it. `Debug` shows
/// nothing personal.
#[derive(Clone)]
pub struct Verified {
    inner: Arc<Inner>,
}

struct Inner {
    /// The payload; behind it the claims that had escapes, without them.
    text: String,
    payload: usize,
    spans: Spans,
    times: Times,
    key: VerifyingKey,
    scopes: OnceLock<Scopes>,
    claims: OnceLock<Claims>,
}

/// Where the claims stand in the text.
#[derive(Clone, Copy, Debug, Default)]
struct Spans {
    issuer: Span,
    subject: Span,
    client_id: Option<Span>,
    token_id: Option<Span>,
    session_id: Option<Span>,
    scope: Option<Span>,
}

/// A part of a text that is no longer than a token, with its claims once more.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    begin: u16,
    end: u16,
}

impl Span {
    fn new(begin: usize, length: usize) -> Self {
        let place = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        Self { begin: place(begin), end: place(begin.saturating_add(length)) }
    }

    const fn range(self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }
}

/// The times of a token, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) expires: u64,
    pub(super) issued: Option<u64>,
    pub(super) not_before: Option<u64>,
    pub(super) logged_in: Option<u64>,
}

impl Verified {
    fn part(&self, span: Span) -> &str {
        self.inner.text.get(span.range()).unwrap_or_default()
    }

    fn optional(&self, span: Option<Span>) -> Option<&str> {
        span.map(|span| self.part(span))
    }

    /// Who made the token. A subject is an issuer's own: where several are trusted, only both together
    /// name somebody.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.part(self.inner.spans.issuer)
    }

    /// Whom the token belongs to.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.part(self.inner.spans.subject)
    }

    /// What it allows.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.inner.scopes.get_or_init(|| {
            // The text was checked to be scopes when the token was verified.
            let text = self.optional(self.inner.spans.scope).unwrap_or_default();
            text.parse().unwrap_or_default()
        })
    }

    /// Whether it allows all of these, without making a set of what it allows.
    pub(crate) fn allows(&self, required: &Scopes) -> bool {
        let own = self.optional(self.inner.spans.scope).unwrap_or_default();
        required.iter().all(|name| own.split(' ').any(|own| own == name))
    }

    /// The client that it was issued to (`client_id`).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.optional(self.inner.spans.client_id)
    }

    /// The token's own id (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.optional(self.inner.spans.token_id)
    }

    /// The id of the session that it belongs to (`sid`).
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.optional(self.inner.spans.session_id)
    }

    /// When it expires, since 1970.
    #[must_use]
    pub fn expiry(&self) -> Duration {
        Duration::from_secs(self.inner.times.expires)
    }

    /// When it was issued, since 1970.
    #[must_use]
    pub fn issued(&self) -> Option<Duration> {
        self.inner.times.issued.map(Duration::from_secs)
    }

    /// When its subject proved who it is (`auth_time`), since 1970.
    #[must_use]
    pub fn logged_in(&self) -> Option<Duration> {
        self.inner.times.logged_in.map(Duration::from_secs)
    }

    /// The id of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.inner.key.key_id()
    }

    /// The algorithm of that key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.key.algorithm()
    }

    /// All that it says. It is read at the first call, and kept.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.inner.claims.get_or_init(|| Claims::parse(self.payload()))
    }

    /// All that it says, as a type of yours; `None` if it does not fit.
    #[must_use]
    pub fn claims_as<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.payload()).ok()
    }

    fn payload(&self) -> &str {
        self.inner.text.get(..self.inner.payload).unwrap_or_default()
    }

    pub(super) fn times(&self) -> &Times {
        &self.inner.times
    }

    pub(super) fn key(&self) -> &VerifyingKey {
        &self.inner.key
    }

    /// How much memory it keeps at most: with its claims read, which [`claims`](Self::claims) keeps.
    ///
    /// Those take a node of a map for each object, at the least half filled nodes for its members, and
    /// what vectors reserve for values; behind each value but the first of an object or a list stands a
    /// comma.
    pub(super) fn size(&self) -> usize {
        const OBJECT: usize = 704;
        const VALUE: usize = 160;

        let count = |sought: u8| self.payload().bytes().filter(|byte| *byte == sought).count();
        let (objects, values) = (count(b'{'), count(b'{') + count(b'[') + count(b','));
        let scopes = self.optional(self.inner.spans.scope).map_or(0, str::len);
        size_of::<Inner>()
            + 2 * (self.inner.text.capacity() + scopes)
            + objects * OBJECT
            + values * VALUE
    }
}

/// All of a verified token but its payload, which its claims were borrowed from.
pub(super) struct Claimed {
    spans: Spans,
    unescaped: String,
    times: Times,
    key: VerifyingKey,
}

impl Claimed {
    /// What the claims say that were read from this payload.
    pub(super) fn of(
        payload: &str,
        claims: &Registered<'_>,
        times: Times,
        key: VerifyingKey,
    ) -> Self {
        let mut unescaped = String::new();
        let mut span = |text: &Text<'_>| match text {
            Text::Is(Cow::Borrowed(part)) => {
                let begin = part.as_ptr().addr().saturating_sub(payload.as_ptr().addr());
                Some(Span::new(begin, part.len()))
            }
            Text::Is(Cow::Owned(part)) => {
                let begin = payload.len() + unescaped.len();
                unescaped.push_str(part);
                Some(Span::new(begin, part.len()))
            }
            Text::Absent | Text::Wrong => None,
        };
        let spans = Spans {
            issuer: span(&claims.issuer).unwrap_or_default(),
            subject: span(&claims.subject).unwrap_or_default(),
            client_id: span(&claims.client_id),
            token_id: span(&claims.token_id),
            session_id: span(&claims.session_id),
            scope: span(&claims.scope),
        };
        Self { spans, unescaped, times, key }
    }

    pub(super) fn with(self, payload: String) -> Verified {
        let Self { spans, unescaped, times, key } = self;
        let (length, mut text) = (payload.len(), payload);
        text.push_str(&unescaped);
        let inner = Inner {
            text,
            payload: length,
            spans,
            times,
            key,
            scopes: OnceLock::new(),
            claims: OnceLock::new(),
        };
        Verified { inner: Arc::new(inner) }
    }
}

impl Times {
    /// `None` if one of them is of the wrong type, or there is no expiry.
    pub(super) const fn of(claims: &Registered<'_>) -> Option<Self> {
        const fn optional(date: Date) -> Result<Option<u64>, ()> {
            match date {
                Date::Absent => Ok(None),
                Date::At(seconds) => Ok(Some(seconds)),
                Date::Wrong => Err(()),
            }
        }

        match (
            claims.expires,
            optional(claims.issued),
            optional(claims.not_before),
            optional(claims.logged_in),
        ) {
            (Date::At(expires), Ok(issued), Ok(not_before), Ok(logged_in)) => {
                Some(Self { expires, issued, not_before, logged_in })
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("key", &self.inner.key).finish_non_exhaustive()
    }
}
