//! Setting up.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::{Clock, Mono, Observer, SystemClock};
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
    notices::Notices,
    round::{Origin, Plan},
    task::{Known, Task},
};

/// Keys that are about to be fetched. Made by [`RemoteKeys::jwks`] and [`RemoteKeys::discovery`].
#[must_use = "nothing is fetched before it is started"]
pub struct RemoteKeysBuilder<F, C = SystemClock, Ob = ()> {
    settings: Settings,
    fetch: F,
    clock: C,
    observer: Ob,
}

/// All that has no type of the user's.
struct Settings {
    place: Place,
    name: &'static str,
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
        let settings = Settings {
            place,
            name: "remote",
            transport: Transport::HttpsOnly,
            redirects: false,
            template: false,
            timeout: Duration::from_secs(3),
            stale_if_error: Duration::from_secs(24 * 60 * 60),
        };
        Self { settings, fetch, clock: SystemClock, observer: () }
    }
}

impl<F: Fetch, C: Clock, Ob: Observer> RemoteKeysBuilder<F, C, Ob> {
    /// What the key set is called in events and log lines, such as the issuer in one word. Default:
    /// `remote`.
    ///
    /// Give each its own where there are several issuers. It may become a metric's label: it is part of
    /// the program, and no issuer has a say in it.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.settings.name = name;
        self
    }

    /// How long a round may take in all: the discovery document, redirects and the keys. Default: 3 s,
    /// which is what a request with a new key waits at most, or twice that if it came during a round.
    ///
    /// More of it lets a slow issuer answer, and holds requests with an unknown key for longer. 0 is
    /// an error.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// For how long keys are used on that should have been replaced, and could not be. Default: 24
    /// hours, a night and a day to repair an issuer.
    ///
    /// More of it lets a key live on that the issuer has withdrawn; with 0 the service fails with the
    /// issuer, as soon as its keys are no longer fresh.
    pub const fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.settings.stale_if_error = stale_if_error;
        self
    }

    /// Follows up to three redirects to the same origin. Default: none are followed, since no issuer
    /// needs them and each is a step that somebody else may have chosen.
    pub const fn follow_same_origin_redirects(mut self) -> Self {
        self.settings.redirects = true;
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
        self.settings.template = true;
        self
    }

    /// Fetches over plain http too. For tests, and for an issuer behind the same mesh: whoever is
    /// between can replace the keys, and so log in as anybody.
    pub const fn insecure_http(mut self) -> Self {
        self.settings.transport = Transport::HttpToo;
        self
    }

    /// Takes the time from another clock. The pauses between fetches are tokio's.
    pub fn with_clock<Other: Clock>(self, clock: Other) -> RemoteKeysBuilder<F, Other, Ob> {
        let Self { settings, fetch, clock: _, observer } = self;
        RemoteKeysBuilder { settings, fetch, clock, observer }
    }

    /// Tells `observer` when keys come or go ([`KeySetChanged`](hardpoint_core::Event::KeySetChanged)),
    /// when they become stale, expired, or fresh again
    /// ([`KeySetStateChanged`](hardpoint_core::Event::KeySetStateChanged)), and of each round of
    /// fetching that failed ([`KeySetFetchFailed`](hardpoint_core::Event::KeySetFetchFailed)). Default:
    /// nobody.
    ///
    /// It is called in the task that fetches, never in a request. A closure needs its argument's type:
    /// `|event: &Event<'_>| ..`.
    pub fn with_observer<Other: Observer>(self, observer: Other) -> RemoteKeysBuilder<F, C, Other> {
        let Self { settings, fetch, clock, observer: _ } = self;
        RemoteKeysBuilder { settings, fetch, clock, observer }
    }

    /// Starts to fetch, in a task of the current runtime. It ends when there is neither a handle nor a
    /// receiver of the keys.
    ///
    /// # Errors
    /// [`RemoteKeysError`] if the settings make no sense, or there is no runtime. An issuer that does
    /// not answer is none: await [`warm`](RemoteKeys::warm) to learn of it.
    pub fn start(self) -> Result<RemoteKeys, RemoteKeysError> {
        let Self { settings, fetch, clock, observer } = self;
        let plan = settings.plan()?;
        if settings.timeout.is_zero() {
            return Err(RemoteKeysError::NoTime);
        }
        let runtime = Handle::try_current().map_err(|_| RemoteKeysError::NoRuntime)?;
        let now = move || -> Mono { clock.now() };
        let (ended, rounds) = watch::channel(Ended::default());
        let machine = Machine::new(now(), settings.stale_if_error);
        let shared = Arc::new(Shared::new(machine, rounds, Box::new(now)));
        let (waker, wake) = mpsc::channel(1);
        let task = Task {
            fetch: Arc::new(fetch),
            plan: Arc::new(plan),
            shared: Arc::clone(&shared),
            ended,
            timeout: settings.timeout,
            wake,
            notices: Notices::new(settings.name, observer),
            known: Known::default(),
        };
        // It ends by itself: nobody waits for it.
        drop(runtime.spawn(task.run()));
        Ok(RemoteKeys::new(shared, waker))
    }
}

impl Settings {
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

impl<F, C, Ob> fmt::Debug for RemoteKeysBuilder<F, C, Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { name, timeout, stale_if_error, redirects, transport, .. } = &self.settings;
        f.debug_struct("RemoteKeysBuilder")
            .field("name", name)
            .field("timeout", timeout)
            .field("stale_if_error", stale_if_error)
            .field("redirects", redirects)
            .field("transport", transport)
            .finish_non_exhaustive()
    }
}
