//! The layer.

use std::{fmt, sync::Arc, time::Duration};

use hardpoint_core::Time;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use tower_layer::Layer;

use super::{
    RefreshOn401,
    state::{Settings, State},
};
use crate::BoxError;

/// Refreshes the credential of outgoing calls. See the [module docs](super).
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`header`](Self::header) | `authorization` |
/// | [`timeout`](Self::timeout) | 10 s |
/// | [`min_interval`](Self::min_interval) | 1 s |
/// | [`replay_limit`](Self::replay_limit) | 64 KiB |
/// | [`time`](Self::time) | the system's clock |
#[derive(Clone)]
#[must_use]
pub struct RefreshOn401Layer {
    state: Option<Arc<State>>,
}

impl RefreshOn401Layer {
    /// Obtains credentials from `fetch`, which returns the whole value of the header, such as
    /// `Bearer ..`. It is called when the first call needs one, and after a 401.
    pub fn new<F, Fut, E>(fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HeaderValue, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let fetch = move || {
            let fetched = fetch();
            Box::pin(async move { fetched.await.map_err(Into::into) }) as _
        };
        Self::from_settings(Settings {
            fetch: Arc::new(fetch),
            header: AUTHORIZATION,
            timeout: Duration::from_secs(10),
            min_interval: Duration::from_secs(1),
            replay_limit: 64 * 1024,
            time: Time::system(),
        })
    }

    /// The layer that adds no credential.
    pub const fn off() -> Self {
        Self { state: None }
    }

    /// Sets the header that carries the credential. Default: `authorization`.
    pub fn header(self, name: HeaderName) -> Self {
        self.change(|settings| settings.header = name)
    }

    /// Sets the longest time that the function may take. Default: 10 seconds. Calls that need its
    /// result wait as long. With 0 no credential is ever obtained.
    pub fn timeout(self, limit: Duration) -> Self {
        self.change(|settings| settings.timeout = limit)
    }

    /// Sets the least time between two calls of the function. Default: 1 second. A longer one leaves
    /// calls failing for longer after a credential was revoked twice. With 0, a destination that
    /// refuses every credential causes a refresh for each call.
    pub fn min_interval(self, interval: Duration) -> Self {
        self.change(|settings| settings.min_interval = interval)
    }

    /// Sets how much of a request body is kept to send it again, in bytes. Default: 64 KiB. Each call
    /// in flight can take as much memory. With 0, only requests without a body are sent again.
    pub fn replay_limit(self, bytes: usize) -> Self {
        self.change(|settings| settings.replay_limit = bytes)
    }

    /// Measures by `time`. Default: the system's clock.
    pub fn time(self, time: impl Into<Time>) -> Self {
        let time = time.into();
        self.change(|settings| settings.time = time)
    }

    fn from_settings(settings: Settings) -> Self {
        Self { state: Some(Arc::new(State::new(settings))) }
    }

    /// Makes a new state, without a credential: set before the layer is used.
    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Some(state) = self.state else { return self };
        let mut settings = state.settings.clone();
        change(&mut settings);
        Self::from_settings(settings)
    }
}

impl<S> Layer<S> for RefreshOn401Layer {
    type Service = RefreshOn401<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RefreshOn401::new(inner, self.state.clone())
    }
}

impl fmt::Debug for RefreshOn401Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.state.as_ref().map(|state| &state.settings.header);
        f.debug_struct("RefreshOn401Layer").field("header", &header).finish_non_exhaustive()
    }
}
