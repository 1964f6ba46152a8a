//! Where layers belong in a stack.

use crate::{Refusals, Telemetry};

/// A position in the order of a stack's layers. A smaller place is further out.
///
/// The facade's `Stack` accepts layers outermost first and rejects a wrong order at compile time.
/// The constants leave gaps, so [`after`](Self::after) has room for foreign layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u16);

impl Place {
    /// Outside of every layer.
    pub const OUTERMOST: Self = Self(0);
    /// Answers probes even when everything else refuses.
    pub const PROBES: Self = Self(100);
    /// Counts requests in flight and closes connections during a drain.
    pub const DRAIN: Self = Self(200);
    /// Finds the client behind proxies; records, limits and headers need it.
    pub const CLIENT_ADDRESS: Self = Self(300);
    /// Records how every request ends, panics included.
    pub const RECORD: Self = Self(400);
    /// Adds security headers, also to refusals.
    pub const SECURITY_HEADERS: Self = Self(500);
    /// Sends clients that use plain HTTP to https; a preflight over plain HTTP fails.
    pub const HTTPS: Self = Self(600);
    /// Lets browsers of other origins read responses, also refusals.
    pub const CORS: Self = Self(700);
    /// Gives every error one shape.
    pub const PROBLEM: Self = Self(800);
    /// Turns a panic into a response, which is then shaped and recorded.
    pub const CATCH_PANIC: Self = Self(900);
    /// Bounds the time that a request may take.
    pub const DEADLINE: Self = Self(1000);
    /// Sheds requests when the service is overloaded.
    pub const LOAD_SHED: Self = Self(1100);
    /// Limits each client address, before any cryptography.
    pub const RATE_LIMIT_BY_ADDRESS: Self = Self(1200);
    /// Refuses requests that another site made in the user's name.
    pub const CSRF: Self = Self(1300);
    /// Authenticates the caller.
    pub const AUTH: Self = Self(1400);
    /// Requires scopes, roles or a recent log-in.
    pub const REQUIRE: Self = Self(1500);
    /// Limits each authenticated subject.
    pub const RATE_LIMIT_BY_SUBJECT: Self = Self(1600);
    /// Limits bodies before a handler buffers them.
    pub const BODY_LIMIT: Self = Self(1700);
    /// Answers a repeated request with the response to the first one.
    pub const IDEMPOTENCY: Self = Self(1800);
    /// The handler's own layers.
    pub const HANDLER: Self = Self(1900);

    /// The gap directly inside this place.
    #[must_use]
    pub const fn after(self) -> Self {
        Self(self.0 + 50)
    }

    /// Whether a layer at this place belongs inside a layer at `other`.
    #[must_use]
    pub const fn is_inside(self, other: Self) -> bool {
        self.0 > other.0
    }
}

/// A layer that declares its place and accepts the settings that a stack gives to all its layers.
pub trait StackLayer: Sized {
    /// The layer's place in a stack.
    const PLACE: Place;

    /// Reports to `telemetry`, unless the layer reports to an observer of its own.
    #[must_use]
    fn telemetry(self, _telemetry: &Telemetry) -> Self {
        self
    }

    /// Renders refusals with `refusals`, unless the layer has settings of its own.
    #[must_use]
    fn refusals(self, _refusals: &Refusals) -> Self {
        self
    }
}
