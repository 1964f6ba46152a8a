//! The handle through which layers report events.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::Event;

/// Receives one borrowed event for each decision.
///
/// A layer calls it while it handles a request, so it must not block and should take only
/// nanoseconds. A pair `(A, B)` of observers is an observer, and so is a closure `Fn(&Event<'_>)`.
///
/// ```
/// use hardpoint_core::{Event, Observer, event::Limited};
///
/// let print_denials = |event: &Event<'_>| {
///     if let Event::Limited(Limited { policy, allowed: false, .. }) = event {
///         println!("denied by {policy}");
///     }
/// };
/// print_denials.on(&Limited::new("client", false, true).into());
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Called once for each event.
    fn on(&self, event: &Event<'_>);
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn on(&self, event: &Event<'_>) {
        self.0.on(event);
        self.1.on(event);
    }
}

impl<F> Observer for F
where
    F: Fn(&Event<'_>) + Send + Sync + 'static,
{
    fn on(&self, event: &Event<'_>) {
        self(event);
    }
}

/// A handle to an [`Observer`], or to none.
///
/// `Stack::telemetry` gives one handle to every layer of a stack. Every layer, and every builder of
/// a type that is not a layer, also has a `telemetry` setter, which takes precedence. Without an
/// observer, an event costs one branch.
///
/// ```
/// use hardpoint_core::{Event, Telemetry, event::PasswordChecked, event::PasswordResult};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// let seen = Arc::new(AtomicU64::new(0));
/// let counter = Arc::clone(&seen);
/// let telemetry = Telemetry::new(move |_: &Event<'_>| {
///     counter.fetch_add(1, Ordering::Relaxed);
/// });
/// telemetry.on(&PasswordChecked::new(PasswordResult::Matched).into());
/// assert_eq!(seen.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone, Default)]
pub struct Telemetry {
    observer: Option<Arc<dyn Observer>>,
}

impl Telemetry {
    /// Creates a handle without an observer.
    #[must_use]
    pub const fn none() -> Self {
        Self { observer: None }
    }

    /// Creates a handle that reports to `observer`.
    #[must_use]
    pub fn new(observer: impl Observer) -> Self {
        Self { observer: Some(Arc::new(observer)) }
    }

    /// Reports `event`.
    #[inline]
    pub fn on(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.on(event);
        }
    }

    /// Whether the handle has no observer.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.observer.is_none()
    }

    /// Stores this handle in a layer's slot, unless the slot is already set or the handle has no
    /// observer. The first setter wins.
    pub fn fill(&self, slot: &OnceLock<Self>) {
        if !self.is_none() {
            // An error means that another setter came first.
            let _already_set = slot.set(self.clone());
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "Telemetry(none)" } else { "Telemetry(observer)" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{Readiness, event::ReadinessChanged};

    #[test]
    fn the_first_observer_in_a_slot_stays() {
        let (sender, received) = mpsc::channel();
        let named = |name: &'static str| {
            let sender = sender.clone();
            Telemetry::new(move |_: &Event<'_>| sender.send(name).unwrap())
        };
        let slot = OnceLock::new();
        Telemetry::none().fill(&slot);
        assert!(slot.get().is_none());
        named("builder").fill(&slot);
        named("stack").fill(&slot);
        slot.get().unwrap().on(&ReadinessChanged::new(Readiness::Ready).into());
        assert_eq!(received.try_iter().collect::<Vec<_>>(), ["builder"]);
    }

    #[test]
    fn both_observers_of_a_pair_are_called() {
        let (sender, received) = mpsc::channel();
        let twin = sender.clone();
        let pair = (
            move |_: &Event<'_>| sender.send(1).unwrap(),
            move |_: &Event<'_>| twin.send(2).unwrap(),
        );
        Telemetry::new(pair).on(&ReadinessChanged::new(Readiness::Ready).into());
        assert_eq!(received.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
