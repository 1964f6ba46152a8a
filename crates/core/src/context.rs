//! The data that the layers of one request share.

use std::{
    borrow::Cow,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Extensions;

use crate::{
    Baggage, Client, Identity, Mono, Outcome, RequestId, Route, SpanId, Time, TraceContext,
    TraceState,
};

/// The data of one request that outer and inner hardpoint layers share.
///
/// The first hardpoint layer that has something to store creates it, as one `Arc` in the request's
/// extensions. An outer layer that keeps a clone of the `Arc` can read what inner layers stored
/// once the response is ready, such as the caller's identity or the handler's notes.
///
/// Each slot is written once. Later writes are ignored and their setters return `false`, so an
/// inner layer cannot change a value that an outer layer set.
///
/// ```
/// use hardpoint_core::{Identity, RequestContext, Time};
///
/// let mut request = http::Request::new(());
/// let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
/// assert!(context.set_identity(Identity::from_subject("alice")));
/// assert!(!context.set_identity(Identity::from_subject("mallory")));
///
/// let context = RequestContext::find(request.extensions()).expect("ensured above");
/// assert_eq!(context.subject(), Some("alice"));
/// ```
#[derive(Debug)]
pub struct RequestContext {
    received: Mono,
    request_id: OnceLock<RequestId>,
    /// Boxed, because few services use it.
    correlation_id: OnceLock<Box<RequestId>>,
    trace: OnceLock<TraceContext>,
    span_id: OnceLock<SpanId>,
    trace_state: OnceLock<TraceState>,
    baggage: OnceLock<Baggage>,
    client: OnceLock<Client>,
    identity: OnceLock<Identity>,
    route: OnceLock<Route>,
    deadline: OnceLock<Mono>,
    attempt: OnceLock<u32>,
    body_outcome: OnceLock<Outcome>,
    limits: [AtomicU64; Self::MAX_LIMITERS],
    notes: Mutex<Vec<Note>>,
}

/// A fact that a handler added to the access line.
struct Note {
    key: &'static str,
    value: Box<str>,
}

impl RequestContext {
    /// The maximum number of notes of a request.
    pub const MAX_NOTES: usize = 8;

    /// The maximum length of a note's value, in bytes.
    pub const MAX_NOTE_LEN: usize = 256;

    /// The maximum number of limiters that a request remembers.
    pub const MAX_LIMITERS: usize = 4;

    /// Returns the request's context, or creates it if it is absent. Creating it costs two
    /// allocations.
    pub fn ensure(extensions: &mut Extensions, time: &Time) -> Arc<Self> {
        if let Some(context) = extensions.get::<Arc<Self>>() {
            return Arc::clone(context);
        }
        let context = Arc::new(Self::received_at(time.now()));
        extensions.insert(Arc::clone(&context));
        context
    }

    /// The request's context, if a layer created it.
    #[inline]
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<&Arc<Self>> {
        extensions.get()
    }

    /// Creates an empty context of a request received at `received`.
    #[must_use]
    pub fn received_at(received: Mono) -> Self {
        Self {
            received,
            request_id: OnceLock::new(),
            correlation_id: OnceLock::new(),
            trace: OnceLock::new(),
            span_id: OnceLock::new(),
            trace_state: OnceLock::new(),
            baggage: OnceLock::new(),
            client: OnceLock::new(),
            identity: OnceLock::new(),
            route: OnceLock::new(),
            deadline: OnceLock::new(),
            attempt: OnceLock::new(),
            body_outcome: OnceLock::new(),
            limits: [const { AtomicU64::new(0) }; Self::MAX_LIMITERS],
            notes: Mutex::default(),
        }
    }

    /// When the first hardpoint layer saw the request.
    #[must_use]
    pub fn received(&self) -> Mono {
        self.received
    }

    /// The id that identifies the request in logs and problems.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.get()
    }

    /// Sets the request id. Returns `false` if it is already set.
    pub fn set_request_id(&self, id: RequestId) -> bool {
        self.request_id.set(id).is_ok()
    }

    /// The id that a caller gave to several requests which belong together, such as the steps of an
    /// order.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&RequestId> {
        self.correlation_id.get().map(Box::as_ref)
    }

    /// Sets the correlation id. Returns `false` if it is already set.
    pub fn set_correlation_id(&self, id: RequestId) -> bool {
        self.correlation_id.set(Box::new(id)).is_ok()
    }

    /// The distributed trace that the request belongs to.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace.get().copied()
    }

    /// Sets the trace. Returns `false` if it is already set.
    pub fn set_trace(&self, trace: TraceContext) -> bool {
        self.trace.set(trace).is_ok()
    }

    /// The request's own span in its trace, the parent of what the handler calls. `None` if the
    /// request is not sampled, or the service exports no spans.
    #[must_use]
    pub fn span_id(&self) -> Option<SpanId> {
        self.span_id.get().copied()
    }

    /// Sets the request's span. Returns `false` if it is already set.
    pub fn set_span_id(&self, id: SpanId) -> bool {
        self.span_id.set(id).is_ok()
    }

    /// The entries that tracing systems added to the trace.
    #[must_use]
    pub fn trace_state(&self) -> Option<&TraceState> {
        self.trace_state.get()
    }

    /// Sets the entries that tracing systems added to the trace. Returns `false` if they are
    /// already set.
    pub fn set_trace_state(&self, state: TraceState) -> bool {
        self.trace_state.set(state).is_ok()
    }

    /// The accepted members of the caller's baggage.
    #[must_use]
    pub fn baggage(&self) -> Option<&Baggage> {
        self.baggage.get()
    }

    /// Sets the accepted members of the caller's baggage. Returns `false` if they are already set.
    pub fn set_baggage(&self, baggage: Baggage) -> bool {
        self.baggage.set(baggage).is_ok()
    }

    /// The client behind the trusted proxies.
    #[inline]
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.get()
    }

    /// Sets the client. Returns `false` if it is already set.
    pub fn set_client(&self, client: Client) -> bool {
        self.client.set(client).is_ok()
    }

    /// The authenticated caller.
    #[inline]
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// The authenticated caller's subject.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.identity().map(Identity::subject)
    }

    /// Sets the authenticated caller. Returns `false` if it is already set.
    pub fn set_identity(&self, identity: Identity) -> bool {
        self.identity.set(identity).is_ok()
    }

    /// The matched route, if a layer or a handler stored it here. Use [`Route::find`] to search all
    /// sources.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.route.get()
    }

    /// Sets the matched route. Returns `false` if it is already set.
    pub fn set_route(&self, route: Route) -> bool {
        self.route.set(route).is_ok()
    }

    /// When the caller stops waiting for the response. Calls that the handler makes end before it.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.deadline.get().copied()
    }

    /// Sets the deadline. Returns `false` if it is already set.
    pub fn set_deadline(&self, deadline: Mono) -> bool {
        self.deadline.set(deadline).is_ok()
    }

    /// Which attempt of the caller this request is, starting with 1. `None` if the caller did not
    /// report it.
    ///
    /// Above 1 the caller retries, and the calls that the handler makes should not be retried as
    /// well: with three attempts at each of three hops, one request becomes 27.
    #[inline]
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.attempt.get().copied()
    }

    /// Sets the attempt. Returns `false` if it is already set.
    pub fn set_attempt(&self, attempt: u32) -> bool {
        self.attempt.set(attempt).is_ok()
    }

    /// How the request ended after the head of the response was sent, for example because a limit
    /// cut the body off. `None` if nothing was reported.
    ///
    /// An outcome that is known before the head is sent is in the response's
    /// [`Refused`](crate::Refused).
    #[must_use]
    pub fn body_outcome(&self) -> Option<Outcome> {
        self.body_outcome.get().copied()
    }

    /// Sets the outcome of a body. Returns `false` if it is already set: the first cause counts.
    pub fn set_body_outcome(&self, outcome: Outcome) -> bool {
        self.body_outcome.set(outcome).is_ok()
    }

    /// The policies of a limiter, a bit for each, that have counted the request.
    ///
    /// A limiter that wraps a request twice reads it, so that it charges the request once.
    /// `limiter` is the same for all layers of a limiter and different for each limiter.
    #[must_use]
    pub fn limits_counted(&self, limiter: NonZeroU32) -> u8 {
        let slots = self.limits.iter().map(|slot| slot.load(Ordering::Relaxed));
        slots.filter_map(|slot| counted_by(limiter, slot)).next().unwrap_or(0)
    }

    /// Adds policies to those of the limiter that have counted the request. Does nothing if
    /// [`MAX_LIMITERS`](Self::MAX_LIMITERS) others have.
    pub fn count_limits(&self, limiter: NonZeroU32, policies: u8) {
        let own = u64::from(limiter.get()) << 8 | u64::from(policies);
        for slot in &self.limits {
            // The layers of one request run one after the other, so nothing comes in between.
            let found = slot.load(Ordering::Relaxed);
            if found == 0 || counted_by(limiter, found).is_some() {
                slot.store(found | own, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Adds a fact to the request's access line, such as the tenant or the plan.
    ///
    /// At most [`MAX_NOTES`](Self::MAX_NOTES) notes of at most [`MAX_NOTE_LEN`](Self::MAX_NOTE_LEN)
    /// bytes are kept. A longer value is cut at a character boundary. A repeated key replaces its
    /// value. Returns `false` if the key is new and the maximum number of notes is reached.
    ///
    /// `tracing::Span::record` does not replace this method: it reaches only fields that the span
    /// declared when it was created, and under `#[instrument]` the current span is a different one.
    ///
    /// ```
    /// # use hardpoint_core::{Mono, RequestContext};
    /// # let context = RequestContext::received_at(Mono::ZERO);
    /// assert!(context.note("tenant", "acme"));
    /// assert!(context.note("tenant", "umbrella"));
    /// context.with_notes(|notes| assert_eq!(notes.collect::<Vec<_>>(), [("tenant", "umbrella")]));
    /// ```
    pub fn note(&self, key: &'static str, value: impl Into<Cow<'static, str>>) -> bool {
        let value = value.into();
        let value = value.get(..value.floor_char_boundary(Self::MAX_NOTE_LEN)).unwrap_or_default();
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(note) = notes.iter_mut().find(|note| note.key == key) {
            note.value = value.into();
            return true;
        }
        let room = notes.len() < Self::MAX_NOTES;
        if room {
            notes.push(Note { key, value: value.into() });
        }
        room
    }

    /// Calls `read` with the notes, in the order in which their keys were added.
    ///
    /// The notes are locked meanwhile: do not add one in `read`.
    pub fn with_notes<T>(
        &self,
        read: impl FnOnce(&mut dyn ExactSizeIterator<Item = (&'static str, &str)>) -> T,
    ) -> T {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        read(&mut notes.iter().map(|note| (note.key, &*note.value)))
    }
}

/// The policies in a slot, if it is this limiter's.
fn counted_by(limiter: NonZeroU32, slot: u64) -> Option<u8> {
    let [policies, rest @ ..] = slot.to_le_bytes();
    let [a, b, c, d, ..] = rest;
    (u32::from_le_bytes([a, b, c, d]) == limiter.get()).then_some(policies)
}

impl fmt::Debug for Note {
    /// Shows only the key: handlers may put personal data into the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layer_makes_the_context_and_the_others_find_it() {
        let clock = crate::ManualClock::default();
        let time = Time::manual(&clock);
        let mut extensions = Extensions::new();
        assert!(RequestContext::find(&extensions).is_none());
        let made = RequestContext::ensure(&mut extensions, &time);
        clock.advance(std::time::Duration::from_secs(1));
        let found = RequestContext::ensure(&mut extensions, &time);
        assert!(Arc::ptr_eq(&made, &found));
        assert!(found.received() < time.now());
    }

    #[test]
    fn a_slot_is_written_once() {
        let context = RequestContext::received_at(Mono::ZERO);
        assert!(context.set_body_outcome(Outcome::Rejected));
        assert!(!context.set_body_outcome(Outcome::Failed));
        assert_eq!(context.body_outcome(), Some(Outcome::Rejected));
    }

    #[test]
    fn limiters_are_told_apart_and_bounded() {
        let context = RequestContext::received_at(Mono::ZERO);
        let number = |number| NonZeroU32::new(number).unwrap();
        for limiter in 1..=5 {
            context.count_limits(number(limiter << 20), 0b0001_0000);
            context.count_limits(number(limiter << 20), 0b1000_0001);
        }
        for limiter in 1..=5 {
            let expected = if limiter < 5 { 0b1001_0001 } else { 0 };
            assert_eq!(context.limits_counted(number(limiter << 20)), expected, "{limiter}");
        }
    }

    #[test]
    fn notes_are_bounded_in_number_and_length() {
        const KEYS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

        let context = RequestContext::received_at(Mono::ZERO);
        for (index, key) in KEYS.into_iter().enumerate() {
            assert_eq!(context.note(key, "\u{e9}".repeat(200)), index < 8, "{key}");
        }
        assert!(context.note("a", "short"), "an existing key can be overwritten");
        context.with_notes(|notes| {
            assert_eq!(notes.len(), RequestContext::MAX_NOTES);
            assert_eq!(notes.next(), Some(("a", "short")));
            assert_eq!(notes.next().map(|(_, value)| value.len()), Some(256));
        });
    }

    #[test]
    fn debug_hides_the_caller() {
        let context = RequestContext::received_at(Mono::ZERO);
        assert!(context.set_identity(Identity::from_subject("alice@example.org")));
        assert!(context.note("email", "alice@example.org"));
        assert!(!format!("{context:?}").contains("alice"));
    }
}
