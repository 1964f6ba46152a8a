//! One round of fetching: discovery, if it is due, and the keys.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, LOCATION},
};

use super::{
    Fetch, RefreshError, RefreshErrorKind,
    discovery::{self, Expected},
    freshness,
    location::{self, REDIRECTS, Transport},
    validator::Validator,
};
use crate::{KeySet, KeySetError};

/// The largest response: a set of 100 RSA keys of 4096 bits is 90 KiB.
const LIMIT: usize = 256 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/jwk-set+json, application/json");

/// What to fetch, and from where.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) origin: Origin,
    pub(super) transport: Transport,
    pub(super) redirects: bool,
    /// Keys that name an issuer must name this one.
    pub(super) template: Option<String>,
}

/// Where to begin.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// At the key set.
    Jwks(Uri),
    /// At the discovery document.
    Discovery { document: Uri, expected: Expected },
}

/// The result of a round.
#[derive(Debug)]
pub(super) struct Brought {
    /// The keys; `None` if they have not changed.
    pub(super) keys: Option<Imported>,
    /// For how long they are fresh.
    pub(super) lifetime: Duration,
    /// Where the keys were.
    pub(super) keys_url: Uri,
    /// What makes the next request conditional.
    pub(super) held: Option<Held>,
}

/// Keys that were read.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) keys: KeySet,
    /// How many keys of the set cannot be used.
    pub(super) skipped: usize,
}

/// What the server sent with the response whose keys are held.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Its URL. Another one does not know its validator.
    url: Uri,
    validator: Validator,
    max_age: Option<Duration>,
}

impl Plan {
    /// Fetches keys, from `keys_url` if it is known, unless the held ones have not changed.
    pub(super) async fn run(
        &self,
        fetch: &dyn Fetch,
        keys_url: Option<Uri>,
        held: Option<Held>,
    ) -> Result<Brought, RefreshError> {
        let keys_url = match (&self.origin, keys_url) {
            (Origin::Jwks(url), _) => url.clone(),
            (Origin::Discovery { .. }, Some(url)) => url,
            (Origin::Discovery { document, expected }, None) => {
                let (_, answer) = self.get(fetch, document, None).await?;
                discovery::keys_url(answer.body(), expected, document, self.transport)?
            }
        };
        let (url, answer) = self.get(fetch, &keys_url, held.as_ref()).await?;
        let headers = answer.headers();
        let (max_age, age) = (freshness::max_age(headers), freshness::age(headers));
        let (keys, held) = match held {
            // A 304 updates only what it contains (RFC 9111 §3.2).
            Some(held) if answer.status() == StatusCode::NOT_MODIFIED => {
                (None, Some(Held { max_age: max_age.or(held.max_age), ..held }))
            }
            _ => {
                let held = Validator::of(headers).map(|validator| Held { url, validator, max_age });
                (Some(self.import(answer.body())?), held)
            }
        };
        let max_age = held.as_ref().map_or(max_age, |held| held.max_age);
        Ok(Brought { keys, lifetime: freshness::lifetime(max_age, age), keys_url, held })
    }

    /// The response and its URL: 200, or 304 to a conditional request.
    async fn get(
        &self,
        fetch: &dyn Fetch,
        url: &Uri,
        held: Option<&Held>,
    ) -> Result<(Uri, Response<Bytes>), RefreshError> {
        let mut url = url.clone();
        let mut left = if self.redirects { REDIRECTS } else { 0 };
        loop {
            let mut request = Request::new(());
            *request.uri_mut() = url.clone();
            request.headers_mut().insert(ACCEPT, JSON);
            let asked = held.filter(|held| held.url == url).map(|held| &held.validator);
            if let Some(validator) = asked {
                validator.ask(request.headers_mut());
            }
            let answer = fetch.fetch(request, LIMIT).await?;
            if answer.body().len() > LIMIT {
                return Err(RefreshErrorKind::TooLarge.into());
            }
            if answer.status() == StatusCode::OK {
                return Ok((url, answer));
            }
            if answer.status() == StatusCode::NOT_MODIFIED {
                return match asked {
                    Some(validator) if validator.fits(answer.headers()) => Ok((url, answer)),
                    _ => Err(RefreshErrorKind::NotModified.into()),
                };
            }
            if !answer.status().is_redirection() {
                return Err(RefreshErrorKind::Status.into());
            }
            if left == 0 {
                return Err(RefreshErrorKind::Redirect.into());
            }
            left -= 1;
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = location::redirect(&url, location.ok_or(RefreshErrorKind::Redirect)?)?;
        }
    }

    /// The usable keys of a set.
    fn import(&self, body: &[u8]) -> Result<Imported, RefreshError> {
        let (keys, skipped) =
            KeySet::from_jwks_of(body, self.template.as_deref()).map_err(|error| match error {
                KeySetError::Malformed => RefreshErrorKind::Malformed,
                KeySetError::TooMany { .. } => RefreshErrorKind::TooLarge,
                _ => RefreshErrorKind::Empty,
            })?;
        Ok(Imported { keys, skipped: skipped.len() })
    }
}
