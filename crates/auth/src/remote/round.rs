//! One round of fetching: where the keys are, if that is not known, and the keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, Uri, header::LOCATION};

use super::{
    Fetch, RefreshError, RefreshErrorKind,
    discovery::{self, Expected},
    entra, freshness,
    location::{self, REDIRECTS, Transport},
};
use crate::{KeySet, KeySetError};

/// The largest answer: a set of 100 RSA keys of 4096 bits is 90 KiB.
const LIMIT: usize = 256 * 1024;

/// What to fetch, and what is allowed on the way.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) origin: Origin,
    pub(super) transport: Transport,
    pub(super) redirects: bool,
    /// Keys that say for whom they are must say this.
    pub(super) template: Option<String>,
}

/// Where to begin.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// At the key set.
    Jwks(Uri),
    /// At the document that tells where the key set is.
    Discovery { document: Uri, expected: Expected },
}

/// What a round brought.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) keys: KeySet,
    /// How many keys of the set cannot be used.
    pub(super) skipped: usize,
    /// For how long it is fresh.
    pub(super) lifetime: Duration,
    /// Where the keys were.
    pub(super) keys_url: Uri,
}

impl Plan {
    /// Fetches keys, from `keys_url` if it is known.
    pub(super) async fn run<F: Fetch>(
        &self,
        fetch: &F,
        keys_url: Option<Uri>,
    ) -> Result<Brought, RefreshError> {
        let keys_url = match (&self.origin, keys_url) {
            (Origin::Jwks(url), _) => url.clone(),
            (Origin::Discovery { .. }, Some(url)) => url,
            (Origin::Discovery { document, expected }, None) => {
                let answer = self.get(fetch, document).await?;
                discovery::keys_url(answer.body(), expected, document, self.transport)?
            }
        };
        let answer = self.get(fetch, &keys_url).await?;
        let lifetime = freshness::lifetime(answer.headers());
        let (keys, skipped) = self.import(answer.body())?;
        Ok(Brought { keys, skipped, lifetime, keys_url })
    }

    async fn get<F: Fetch>(&self, fetch: &F, url: &Uri) -> Result<Response<Bytes>, RefreshError> {
        let mut url = url.clone();
        let mut left = if self.redirects { REDIRECTS } else { 0 };
        loop {
            let answer = fetch.fetch(&url, LIMIT).await.map_err(RefreshError::failed)?;
            if answer.body().len() > LIMIT {
                return Err(RefreshErrorKind::TooLarge.into());
            }
            if answer.status() == StatusCode::OK {
                return Ok(answer);
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

    /// The keys of a set that can be used, and how many cannot.
    fn import(&self, body: &[u8]) -> Result<(KeySet, usize), RefreshError> {
        let filtered;
        let body = match &self.template {
            None => body,
            Some(template) => {
                filtered =
                    entra::shared_keys(body, template).map_err(|_| RefreshErrorKind::Malformed)?;
                &filtered
            }
        };
        let (keys, skipped) = KeySet::from_jwks(body).map_err(|error| match error {
            KeySetError::Malformed => RefreshErrorKind::Malformed,
            KeySetError::TooMany { .. } => RefreshErrorKind::TooLarge,
            _ => RefreshErrorKind::Empty,
        })?;
        Ok((keys, skipped.len()))
    }
}
