//! A circuit for each key.

use std::{fmt, sync::Arc};

use hardpoint_core::{Head, Key, KeyExtractor, Mono, Telemetry};

use super::{Circuit, CircuitBreakerLayer, CircuitOpen, CircuitPermit, circuit::Settings};
use crate::keyed::{Keyed, Policy};

/// A [`Circuit`] for each host, route or tenant, in bounded memory, with the same settings.
///
/// A circuit takes about 1 KiB. The first call with a key copies the list of circuits, which takes a
/// few microseconds; later calls find theirs without a lock. When there are as many keys as allowed,
/// a new key takes the place of a circuit that is closed, had no call in its window, and has no call
/// in flight. A new key looks for one among 64 circuits, the next new key among the next 64. If it
/// finds none, it shares one circuit with all keys that came too late and with calls that have no
/// key: [`shared`](Self::shared).
#[derive(Clone)]
pub struct Circuits {
    inner: Arc<Inner>,
}

struct Inner {
    keyed: Keyed<Circuit>,
    settings: Arc<Settings>,
}

impl Policy for Circuit {
    fn is_idle(&self, now: Mono) -> bool {
        self.is_idle(now)
    }
}

impl Circuits {
    pub(super) fn new(
        settings: Arc<Settings>,
        key: Arc<dyn KeyExtractor>,
        max_keys: usize,
    ) -> Self {
        let keyed = Keyed::new(Circuit::from_settings(&settings), key, max_keys);
        Self { inner: Arc::new(Inner { keyed, settings }) }
    }

    /// The layer whose calls these circuits guard. Layers of the same circuits share their state.
    pub fn layer(&self) -> CircuitBreakerLayer {
        CircuitBreakerLayer::keyed(self.clone())
    }

    /// The circuit of a key, if a call had it. `None` also if it made room for another key.
    #[must_use]
    pub fn find(&self, key: &Key<'_>) -> Option<Circuit> {
        self.inner.keyed.find(key)
    }

    /// The circuit of calls that have no key, and of keys that found no room.
    #[must_use]
    pub fn shared(&self) -> &Circuit {
        self.inner.keyed.rest()
    }

    /// Calls `read` with each key and its circuit, in no particular order. Keys may be personal: they
    /// do not belong into logs.
    pub fn for_each(&self, read: impl FnMut(&Key<'_>, &Circuit)) {
        self.inner.keyed.for_each(read);
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.keyed.len()
    }

    /// Whether no call had a key yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of all circuits.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.settings.name()
    }

    pub(crate) fn report_to(&self, telemetry: &Telemetry) {
        self.inner.settings.report_to(telemetry);
    }

    /// Asks the circuit of a request.
    #[inline]
    pub(crate) fn acquire_at(
        &self,
        head: Head<'_>,
        now: Mono,
    ) -> Result<CircuitPermit, CircuitOpen> {
        let Inner { keyed, settings } = &*self.inner;
        let fresh = || Circuit::from_settings(settings);
        keyed.with(head, || now, fresh, |circuit| circuit.acquire_at(now))
    }

    pub(super) fn now(&self) -> Mono {
        self.inner.settings.now()
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits")
            .field("name", &self.name())
            .field("keyed", &self.inner.keyed)
            .finish()
    }
}
