//! Setting up remote keys.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Telemetry, Time};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use super::{
    Fetch, RefreshErrorKind, RemoteKeys, discovery,
    keys::{Ended, Shared},
    location::{self, Transport},
    machine::Machine,
    notices::Notices,
    round::Plan,
    task::Task,
};
use crate::{Algorithm, ConfigError};

/// How the keys are found.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// At a URL that is known.
    Direct,
    /// In the issuer's discovery document.
    Discovery,
    /// In Entra's discovery document for several tenants.
    Entra,
}

/// Sets up [`RemoteKeys`]. Made by [`RemoteKeys::jwks`], [`RemoteKeys::discovery`] and
/// [`RemoteKeys::entra`].
///
/// Defaults: the name `remote`, 3 s for a round, stale keys for 24 hours, https only, no redirects.
#[must_use = "nothing is fetched before it is started"]
pub struct RemoteKeysBuilder {
    /// The issuer, or the URL of the key set.
    place: String,
    way: Way,
    fetch: Arc<dyn Fetch>,
    name: &'static str,
    transport: Transport,
    algorithms: Vec<Algorithm>,
    timeout: Duration,
    stale_if_error: Duration,
    time: Time,
    telemetry: Telemetry,
}

debug_only!(RemoteKeysBuilder { name, timeout, stale_if_error, transport });

impl RemoteKeysBuilder {
    pub(super) fn new(place: String, way: Way, fetch: impl Fetch) -> Self {
        Self {
            place,
            way,
            fetch: Arc::new(fetch),
            name: "remote",
            transport: Transport::HttpsOnly,
            algorithms: Vec::new(),
            timeout: Duration::from_secs(3),
            stale_if_error: Duration::from_secs(24 * 60 * 60),
            time: Time::system(),
            telemetry: Telemetry::default(),
        }
    }

    /// The name of the key set in events and log lines, such as the issuer in one word. Default:
    /// `remote`.
    ///
    /// Give each issuer its own. It may become a metric's label, so it is part of the program, and
    /// the issuer cannot choose it.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long a round may take in all: the discovery document and the keys. Default:
    /// 3 s. A request with an unknown key waits at most this long, or twice as long if it came during
    /// a round.
    ///
    /// A longer timeout lets a slow issuer answer, and holds requests with an unknown key longer. 0
    /// is an error.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long keys are used after they should have been replaced and could not be. Default: 24
    /// hours, a night and a day to repair an issuer.
    ///
    /// A longer time keeps a key alive that the issuer has withdrawn; with 0 the service fails with
    /// the issuer when the freshness of its keys ends.
    pub fn stale_if_error(mut self, stale_if_error: Duration) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// Uses only keys of these algorithms, and a key that does not name its algorithm for each one that
    /// takes such a key. Default: the algorithm that the key names, and RS256 for an RSA key that names
    /// none. An issuer that signs with PS256 or RS512 and does not say so in its key set needs this.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Also fetches over plain http. For tests, and for an issuer in the same mesh: an attacker on
    /// the way can replace the keys and log in as any user.
    pub fn insecure_http(mut self) -> Self {
        self.transport = Transport::HttpToo;
        self
    }

    /// Reads the time from this handle. Default: the system's clocks. The pauses between fetches are
    /// tokio's.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Reports to this observer when keys come or go
    /// ([`KeySetChanged`](hardpoint_core::event::KeySetChanged)), when they become stale, expired, or
    /// fresh again ([`KeySetStateChanged`](hardpoint_core::event::KeySetStateChanged)), and each
    /// failed round ([`KeySetFetchFailed`](hardpoint_core::event::KeySetFetchFailed)). Default: no
    /// observer.
    ///
    /// The task that fetches calls it, never a request.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Starts to fetch, in a task of the current runtime. It ends when neither a handle nor a
    /// receiver of the keys is left.
    ///
    /// # Errors
    /// [`ConfigError`] if the settings make no sense, or no runtime is running. An issuer that does
    /// not answer is not an error here: [`warm`](RemoteKeys::warm) reports it.
    pub fn start(self) -> Result<RemoteKeys, ConfigError> {
        let plan = self.plan()?;
        if self.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let (ended, rounds) = watch::channel(Ended::default());
        let machine = Machine::new(self.time.now(), self.stale_if_error);
        let shared = Arc::new(Shared::new(machine, rounds, self.time));
        let (waker, wake) = mpsc::channel(1);
        let task = Task {
            plan: Arc::new(plan),
            shared: Arc::clone(&shared),
            ended,
            timeout: self.timeout,
            wake,
            notices: Notices::new(self.name, self.telemetry),
            place: None,
            held: None,
        };
        // It ends by itself, so no one waits for it.
        drop(runtime.spawn(task.run()));
        Ok(RemoteKeys { shared, wake: waker })
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        let Self { place, transport, .. } = self;
        let expected = match self.way {
            Way::Direct => None,
            Way::Discovery => Some(place.clone()),
            Way::Entra => Some(
                discovery::entra_template(place)
                    .ok_or_else(|| ConfigError::NoTenant(place.clone()))?,
            ),
        };
        let start = if expected.is_some() { discovery::url_of(place) } else { place.clone() };
        let start = location::parse(&start, *transport).map_err(|kind| match kind {
            RefreshErrorKind::Insecure => ConfigError::Insecure(place.clone()),
            // It may contain a password.
            _ if place.contains('@') => ConfigError::Url("(not shown)".to_owned()),
            _ => ConfigError::Url(place.clone()),
        })?;
        let (fetch, algorithms) = (Arc::clone(&self.fetch), self.algorithms.clone());
        Ok(Plan { fetch, start, expected, algorithms, transport: *transport })
    }
}
