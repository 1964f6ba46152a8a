//! What happened, told once.

/// Something a hardpoint layer decided or found out. Borrowed: whoever needs it longer copies it.
///
/// Nothing in an event is secret or personal: no key, token, address or claim. New variants are
/// added in minor versions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A health check's result changed.
    CheckChanged {
        /// The check's name.
        check: &'a str,
        /// Whether it passes now.
        healthy: bool,
    },
    /// Keys of an issuer came or went.
    KeySetChanged {
        /// The key set's name.
        key_set: &'a str,
        /// How many came: keys that were not held before.
        added: usize,
        /// How many went.
        removed: usize,
    },
    /// The keys of an issuer could not be fetched. Those that are held stay.
    KeySetFetchFailed {
        /// The key set's name.
        key_set: &'a str,
        /// Why, from a fixed list.
        kind: &'static str,
    },
    /// What the keys of an issuer are worth changed.
    KeySetStateChanged {
        /// The key set's name.
        key_set: &'a str,
        /// What they are worth now: `expired`, `fresh`, or `stale`.
        state: &'static str,
    },
    /// A limiter decided a request.
    Limited {
        /// The policy that decided: the one that refused, or the one nearest to its bound.
        policy: &'a str,
        /// Whether the policy had room for it.
        allowed: bool,
        /// Whether a refusal counts: `false` for a policy that only looks on.
        enforced: bool,
    },
    /// A request was let in, and left its key with less of a policy than the limiter was told to
    /// warn at.
    NearLimit {
        /// The policy.
        policy: &'a str,
        /// Cells that are left.
        remaining: u64,
    },
    /// A password was hashed or verified, or was turned away because the queue was full.
    PasswordChecked {
        /// `matched`, `mismatched`, `hashed`, or `shed`.
        result: &'static str,
    },
    /// The service's readiness changed.
    ReadinessChanged {
        /// What it is now.
        readiness: Readiness,
    },
    /// A store did not decide.
    StoreFailed {
        /// What the store is for: `ratelimit`.
        store: &'a str,
        /// `corrupt`, `timeout`, or `unavailable`.
        kind: &'static str,
    },
    /// A token was verified.
    Verified {
        /// `ok`, or the reason why it was refused, from a fixed list.
        result: &'static str,
    },
}

/// Whether a service takes new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It is ending: requests in flight are finished, new ones should go elsewhere.
    Draining,
    /// A check that gates readiness fails.
    NotReady,
    /// It takes work.
    Ready,
    /// It has not finished starting.
    Starting,
}

impl Readiness {
    /// The state as one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::NotReady => "not_ready",
            Self::Ready => "ready",
            Self::Starting => "starting",
        }
    }
}

/// Gets one borrowed event for each decision.
///
/// It is called in the middle of a request: it must not block, and should take nanoseconds. Calls
/// are dispatched statically; `()` does nothing and costs nothing. Two observers go together as a
/// pair, and closures `Fn(&Event<'_>)` are observers.
///
/// ```
/// use hardpoint_core::{Event, Observer};
///
/// let print_refusals = |event: &Event<'_>| {
///     if let Event::Limited { policy, allowed: false, .. } = event {
///         println!("refused by {policy}");
///     }
/// };
/// print_refusals.on(&Event::Limited { policy: "client", allowed: false, enforced: true });
/// ```
pub trait Observer: Clone + Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event<'_>);
}

impl Observer for () {
    fn on(&self, _event: &Event<'_>) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn on(&self, event: &Event<'_>) {
        self.0.on(event);
        self.1.on(event);
    }
}

impl<F> Observer for F
where
    F: Fn(&Event<'_>) + Clone + Send + Sync + 'static,
{
    fn on(&self, event: &Event<'_>) {
        self(event);
    }
}
