//! Setting up.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::{Clock, Mono, SystemClock};
use http::Uri;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use super::{
    Fetch, RefreshErrorKind, RemoteKeys, RemoteKeysError,
    discovery::{self, Expected},
    keys::{Ended, Shared},
    location::{self, Transport},
    machine::Machine,
    round::{Origin, Plan},
    task::Task,
};

/// Keys that are about to be fetched. Made by [`RemoteKeys::jwks`] and [`RemoteKeys::discovery`].
#[must_use = "nothing is fetched before it is started"]
pub struct RemoteKeysBuilder<F, C = SystemClock> {
    place: Place,
    fetch: F,
    clock: C,
    transport: Transport,
    redirects: bool,
    template: bool,
    timeout: Duration,
    stale_if_error: Duration,
}

enum Place {
    Jwks { url: String },
    Discovery { issuer: String },
}

impl<F: Fetch> RemoteKeysBuilder<F> {
    pub(super) const fn jwks(url: String, fetch: F) -> Self {
        Self::new(Place::Jwks { url }, fetch)
    }

    pub(super) const fn discovery(issuer: String, fetch: F) -> Self {
        Self::new(Place::Discovery { issuer }, fetch)
    }

    const fn new(place: Place, fetch: F) -> Self {
        Self {
            place,
            fetch,
            clock: SystemClock,
            transport: Transport::HttpsOnly,
            redirects: false,
            template: false,
            timeout: Duration::from_secs(3),
            stale_if_error: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl<F: Fetch, C: Clock> RemoteKeysBuilder<F, C> {
    /// How long a round may take in all: the discovery document, redirects and the keys. Default: 3 s,
    /// which is what a request with a new key waits at most.
    ///
    /// More of it lets a slow issuer answer, and holds requests with an unknown key for longer. 0 is
    /// an error.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For how long keys are used on that should have been replaced, and could not be. Default: 24
    /// hours, a night and a day to repair an issuer.
    ///
    /// More of it lets a key live on that the issuer has withdrawn; with 0 the service fails with the
    /// issuer, as soon as its keys are no longer fresh.
    pub const fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// Follows up to three redirects to the same origin. Default: none are followed, since no issuer
    /// needs them and each is a step that somebody else may have chosen.
    pub const fn follow_same_origin_redirects(mut self) -> Self {
        self.redirects = true;
        self
    }

    /// For Microsoft Entra's documents of several tenants, as of
    /// `https://login.microsoftonline.com/common/v2.0`: the document must name the issuer with
    /// `{tenantid}` in the tenant's place. Keys that name one tenant are left out. Default: the
    /// document names the issuer itself.
    ///
    /// The verifier still needs the issuer of each tenant that is let in: see the
    /// [module docs](super#microsoft-entra).
    pub const fn entra_template(mut self) -> Self {
        self.template = true;
        self
    }

    /// Fetches over plain http too. For tests, and for an issuer behind the same mesh: whoever is
    /// between can replace the keys, and so log in as anybody.
    pub const fn insecure_http(mut self) -> Self {
        self.transport = Transport::HttpToo;
        self
    }

    /// Takes the time from another clock. The pauses between fetches are tokio's.
    pub fn with_clock<Other: Clock>(self, clock: Other) -> RemoteKeysBuilder<F, Other> {
        let Self {
            place,
            fetch,
            clock: _,
            transport,
            redirects,
            template,
            timeout,
            stale_if_error,
        } = self;
        RemoteKeysBuilder {
            place,
            fetch,
            clock,
            transport,
            redirects,
            template,
            timeout,
            stale_if_error,
        }
    }

    /// Starts to fetch, in a task of the current runtime. It ends when there is neither a handle nor a
    /// receiver of the keys.
    ///
    /// # Errors
    /// [`RemoteKeysError`] if the settings make no sense, or there is no runtime. An issuer that does
    /// not answer is none: await [`warm`](RemoteKeys::warm) to learn of it.
    pub fn start(self) -> Result<RemoteKeys, RemoteKeysError> {
        let plan = self.plan()?;
        if self.timeout.is_zero() {
            return Err(RemoteKeysError::NoTime);
        }
        let runtime = Handle::try_current().map_err(|_| RemoteKeysError::NoRuntime)?;
        let clock = self.clock;
        let now = move || -> Mono { clock.now() };
        let (ended, rounds) = watch::channel(Ended::default());
        let machine = Machine::new(now(), self.stale_if_error);
        let shared = Arc::new(Shared::new(machine, rounds, Box::new(now)));
        let (waker, wake) = mpsc::channel(1);
        let task = Task {
            fetch: Arc::new(self.fetch),
            plan: Arc::new(plan),
            shared: Arc::clone(&shared),
            ended,
            timeout: self.timeout,
            wake,
            known: None,
        };
        // It ends by itself: nobody waits for it.
        drop(runtime.spawn(task.run()));
        Ok(RemoteKeys::new(shared, waker))
    }

    fn plan(&self) -> Result<Plan, RemoteKeysError> {
        let (origin, template) = match &self.place {
            Place::Jwks { .. } if self.template => {
                return Err(RemoteKeysError::TemplateWithoutDiscovery);
            }
            Place::Jwks { url } => (Origin::Jwks(self.url(url, url)?), None),
            Place::Discovery { issuer } => {
                let document = self.url(&discovery::url_of(issuer), issuer)?;
                let expected = match (self.template, Expected::entra_template(issuer)) {
                    (false, _) => Expected::exactly(issuer),
                    (true, Some(expected)) => expected,
                    (true, None) => {
                        return Err(RemoteKeysError::NoTenant { issuer: issuer.clone() });
                    }
                };
                let template = self.template.then(|| expected.as_str().to_owned());
                (Origin::Discovery { document, expected }, template)
            }
        };
        Ok(Plan { origin, transport: self.transport, redirects: self.redirects, template })
    }

    /// Reads a URL; `given` is what the error shows, but for one with a password in it.
    fn url(&self, url: &str, given: &str) -> Result<Uri, RemoteKeysError> {
        location::parse(url, self.transport).map_err(|kind| match kind {
            RefreshErrorKind::Insecure => RemoteKeysError::Insecure { url: given.to_owned() },
            _ if given.contains('@') => RemoteKeysError::Url { url: "(not shown)".to_owned() },
            _ => RemoteKeysError::Url { url: given.to_owned() },
        })
    }
}

impl<F, C> fmt::Debug for RemoteKeysBuilder<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeysBuilder")
            .field("timeout", &self.timeout)
            .field("stale_if_error", &self.stale_if_error)
            .field("redirects", &self.redirects)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
