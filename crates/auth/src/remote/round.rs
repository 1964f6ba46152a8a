//! One round of fetching: discovery, if it is due, and the keys.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::ACCEPT};

use super::{
    Fetch, RefreshError, RefreshErrorKind, discovery, freshness, location::Transport,
    validator::Validator,
};
use crate::{Algorithm, KeySet, KeySetError, SkippedKey};

/// The largest response: a set of 100 RSA keys of 4096 bits is 90 KiB.
const LIMIT: usize = 256 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/jwk-set+json, application/json");

/// What to fetch, from where, and by what means.
pub(super) struct Plan {
    pub(super) fetch: Arc<dyn Fetch>,
    /// The discovery document; or the key set, if no issuer is expected.
    pub(super) start: Uri,
    /// The issuer that the discovery document must name.
    pub(super) expected: Option<String>,
    /// The algorithms of the issuer's keys; empty if they say so themselves.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) transport: Transport,
}

/// The result of a round.
#[derive(Debug)]
pub(super) struct Brought {
    /// The keys, and those of the set that cannot be used; `None` if they have not changed.
    pub(super) keys: Option<(KeySet, Vec<SkippedKey>)>,
    /// For how long they are fresh.
    pub(super) lifetime: Duration,
    /// Where the keys were.
    pub(super) keys_url: Uri,
    /// What makes the next request conditional.
    pub(super) held: Option<Held>,
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
        keys_url: Option<Uri>,
        held: Option<Held>,
    ) -> Result<Brought, RefreshError> {
        let keys_url = match (&self.expected, keys_url) {
            (None, _) => self.start.clone(),
            (Some(_), Some(url)) => url,
            (Some(expected), None) => {
                let answer = self.get(&self.start, None).await?;
                discovery::keys_url(answer.body(), expected, &self.start, self.transport)?
            }
        };
        let answer = self.get(&keys_url, held.as_ref()).await?;
        let headers = answer.headers();
        let (max_age, age) = (freshness::max_age(headers), freshness::age(headers));
        let (keys, held) = match held {
            // A 304 updates only what it contains (RFC 9111 §3.2).
            Some(held) if answer.status() == StatusCode::NOT_MODIFIED => {
                (None, Some(Held { max_age: max_age.or(held.max_age), ..held }))
            }
            _ => {
                let url = keys_url.clone();
                let held = Validator::of(headers).map(|validator| Held { url, validator, max_age });
                (Some(self.import(answer.body())?), held)
            }
        };
        let max_age = held.as_ref().map_or(max_age, |held| held.max_age);
        Ok(Brought { keys, lifetime: freshness::lifetime(max_age, age), keys_url, held })
    }

    /// The response: 200, or 304 to a conditional request.
    async fn get(&self, url: &Uri, held: Option<&Held>) -> Result<Response<Bytes>, RefreshError> {
        let mut request = Request::new(());
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(ACCEPT, JSON);
        let asked = held.filter(|held| held.url == *url).map(|held| &held.validator);
        if let Some(validator) = asked {
            validator.ask(request.headers_mut());
        }
        let answer = self.fetch.fetch(request, LIMIT).await?;
        let error: RefreshError = match answer.status() {
            _ if answer.body().len() > LIMIT => RefreshErrorKind::TooLarge.into(),
            StatusCode::OK => return Ok(answer),
            StatusCode::NOT_MODIFIED if asked.is_some_and(|own| own.fits(answer.headers())) => {
                return Ok(answer);
            }
            StatusCode::NOT_MODIFIED => RefreshErrorKind::NotModified.into(),
            status if status.is_redirection() => RefreshErrorKind::Redirect.into(),
            status => {
                let detail = format!("status {}", status.as_u16());
                RefreshError::new(RefreshErrorKind::Status, detail)
            }
        };
        Err(error)
    }

    /// The usable keys of a set, and the others.
    fn import(&self, body: &[u8]) -> Result<(KeySet, Vec<SkippedKey>), RefreshError> {
        KeySet::from_jwks_for(body, &self.algorithms).map_err(|error| match error {
            KeySetError::Malformed => RefreshError::malformed(body, "a key set with `keys`"),
            KeySetError::TooMany(_) => RefreshErrorKind::TooLarge.into(),
            error => RefreshError::new(RefreshErrorKind::Empty, error.to_string()),
        })
    }
}
