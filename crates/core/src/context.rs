//! What the layers of one request tell each other.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Extensions, HeaderValue};

use crate::{Client, Clock, Mono};

/// The data of one request that hardpoint layers share, inwards and outwards.
///
/// One `Arc` lies in the request's extensions, made by whichever of our layers comes first; a layer
/// that hands nothing on does not make it. A layer further out keeps a clone and reads, once the
/// response is there, what the layers inside have learnt: who the subject was, what the limiter
/// decided, how it ended.
///
/// A slot is written once. A second write is ignored, and the setter says so by returning `false`:
/// what an outer layer has established, an inner one cannot change. Decisions of limiters are added
/// to each other instead.
///
/// ```
/// use hardpoint_core::{RequestContext, Subject, SystemClock};
///
/// let mut request = http::Request::new(());
/// let context = RequestContext::of(request.extensions_mut(), &SystemClock);
/// assert!(context.set_subject(Subject::from("alice")));
/// assert!(!context.set_subject(Subject::from("mallory")));
///
/// let seen = RequestContext::get(request.extensions()).and_then(|context| context.subject());
/// assert_eq!(seen.map(Subject::as_str), Some("alice"));
/// ```
#[derive(Debug)]
pub struct RequestContext {
    received: Mono,
    request_id: OnceLock<RequestId>,
    trace_id: OnceLock<TraceId>,
    client: OnceLock<Client>,
    subject: OnceLock<Subject>,
    route: OnceLock<Route>,
    limit: LimitSlot,
    outcome: OnceLock<Outcome>,
}

impl RequestContext {
    /// The request's context, made now if no layer has made it yet.
    pub fn of(extensions: &mut Extensions, clock: &impl Clock) -> Arc<Self> {
        if let Some(context) = extensions.get::<Arc<Self>>() {
            return Arc::clone(context);
        }
        let context = Arc::new(Self::received_at(clock.now()));
        extensions.insert(Arc::clone(&context));
        context
    }

    /// The request's context, if a layer has made it.
    #[inline]
    #[must_use]
    pub fn get(extensions: &Extensions) -> Option<&Arc<Self>> {
        extensions.get()
    }

    /// An empty context of a request received at `received`.
    #[must_use]
    pub const fn received_at(received: Mono) -> Self {
        Self {
            received,
            request_id: OnceLock::new(),
            trace_id: OnceLock::new(),
            client: OnceLock::new(),
            subject: OnceLock::new(),
            route: OnceLock::new(),
            limit: LimitSlot::empty(),
            outcome: OnceLock::new(),
        }
    }

    /// When the first of our layers saw the request.
    #[must_use]
    pub const fn received(&self) -> Mono {
        self.received
    }

    /// The id that this request is known by in logs and problems.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.get()
    }

    /// Sets the request id. `false` if it was set before.
    pub fn set_request_id(&self, id: RequestId) -> bool {
        self.request_id.set(id).is_ok()
    }

    /// The id of the distributed trace that this request is part of.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace_id.get().copied()
    }

    /// Sets the trace id. `false` if it was set before.
    pub fn set_trace_id(&self, id: TraceId) -> bool {
        self.trace_id.set(id).is_ok()
    }

    /// Who sent the request, as far as the trusted proxies can tell.
    #[inline]
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.get()
    }

    /// Sets the client. `false` if it was set before.
    pub fn set_client(&self, client: Client) -> bool {
        self.client.set(client).is_ok()
    }

    /// Whom the credentials belong to, once they were verified.
    #[inline]
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.get()
    }

    /// Sets the authenticated subject. `false` if it was set before.
    pub fn set_subject(&self, subject: Subject) -> bool {
        self.subject.set(subject).is_ok()
    }

    /// The route that matched, as a template (`/users/{id}`), if it was supplied as a [`Route`].
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.route.get()
    }

    /// Sets the matched route. `false` if it was set before.
    pub fn set_route(&self, route: Route) -> bool {
        self.route.set(route).is_ok()
    }

    /// What the limiters decided: the refusal, if one refused, or else the decision that left least.
    #[must_use]
    pub fn limit(&self) -> Option<LimitDecision> {
        self.limit.get()
    }

    /// Adds a limiter's decision. It replaces the one that is there if it is a refusal, or if it
    /// leaves less: several limiters tell one truth, whichever comes first.
    pub fn add_limit(&self, decision: LimitDecision) {
        self.limit.add(decision);
    }

    /// How the request ended, where a layer knew more than the status says.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.get().copied()
    }

    /// Sets the outcome. `false` if it was set before: the innermost cause is the one that counts.
    pub fn set_outcome(&self, outcome: Outcome) -> bool {
        self.outcome.set(outcome).is_ok()
    }
}

/// The id of one request: visible ASCII of 1 to 128 bytes, ready to be sent as a header.
///
/// Cloning it costs no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The longest id that is accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Accepts a header's value if it is 1 to 128 bytes of `A-Z a-z 0-9 . _ : + / = -`.
    ///
    /// Those cannot break out of a log line, a header or a URL, whoever sent them.
    #[must_use]
    pub fn from_header(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let valid =
            (1..=Self::MAX_LEN).contains(&bytes.len()) && bytes.iter().copied().all(allowed);
        valid.then(|| Self(value.clone()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as a header's value.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

const fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'+' | b'/' | b'=' | b'-')
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a distributed trace (W3C Trace Context): 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The id with these bytes; `None` if all are zero, which the standard calls invalid.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: [u8; 16] = *b"0123456789abcdef";

        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        // In one piece: whoever escapes or cuts what comes here is asked once.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Whom verified credentials belong to: the `sub` of a token, the owner of an API key.
///
/// Cloning it costs no allocation. It is personal data: it goes to the access log, and nowhere else
/// unless the user of this crate sends it there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(Text);

impl Subject {
    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<&str> for Subject {
    fn from(text: &str) -> Self {
        Self(Text(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl From<String> for Subject {
    fn from(text: String) -> Self {
        Self(Text(Bytes::from(text)))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject([redacted])")
    }
}

/// The matched route as a template, such as `/users/{id}`: what a metric may be labelled with.
///
/// axum's own matched path is used where a crate's `axum` feature is on. Any other service supplies
/// the route as an extension of the request:
///
/// ```
/// use hardpoint_core::Route;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Route::from_static("/users/{id}"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Route(Text);

impl Route {
    /// A route that is known when the program is compiled: costs nothing.
    #[must_use]
    pub const fn from_static(template: &'static str) -> Self {
        Self(Text(Bytes::from_static(template.as_bytes())))
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<&str> for Route {
    fn from(template: &str) -> Self {
        Self(Text(Bytes::copy_from_slice(template.as_bytes())))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.as_str()).finish()
    }
}

/// Immutable text in a shared buffer. Only made from `str`, so the bytes are UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Text(Bytes);

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What a limiter decided about a request, for handlers and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitDecision {
    /// Whether the request was let in.
    pub allowed: bool,
    /// Cells that are left right now under the policy nearest to its bound.
    pub remaining: u64,
}

impl LimitDecision {
    /// A decision.
    #[must_use]
    pub const fn new(allowed: bool, remaining: u64) -> Self {
        Self { allowed, remaining }
    }
}

/// A decision in one word, so that limiters can add theirs without a lock: the smaller, the nearer
/// to a bound. A refusal is smaller than any admission.
#[derive(Debug)]
struct LimitSlot(AtomicU64);

impl LimitSlot {
    const NONE: u64 = u64::MAX;
    const ADMITTED: u64 = 1 << 63;

    const fn empty() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    fn add(&self, decision: LimitDecision) {
        // Room for a remainder of 2^63 - 2, which no quota reaches.
        let remaining = decision.remaining.min(Self::ADMITTED - 2);
        let word = if decision.allowed { Self::ADMITTED | remaining } else { remaining };
        self.0.fetch_min(word, Ordering::Relaxed);
    }

    #[inline]
    fn get(&self) -> Option<LimitDecision> {
        let word = self.0.load(Ordering::Relaxed);
        let remaining = word & !Self::ADMITTED;
        (word != Self::NONE).then(|| LimitDecision::new(word & Self::ADMITTED != 0, remaining))
    }
}

/// How a request ended, where the status alone does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Something failed on our side.
    Failed,
    /// The handler panicked.
    Panicked,
    /// A policy refused the client.
    Rejected,
    /// Refused because of overload.
    Shed,
    /// A deadline passed.
    TimedOut,
}

impl Outcome {
    /// The outcome as one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Rejected => "rejected",
            Self::Shed => "shed",
            Self::TimedOut => "timed_out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn request_ids_that_could_break_a_log_line_are_refused() {
        assert!(RequestId::from_header(&header("0190a6b2-7b1c:7f00/a+b=_.")).is_some());
        for bad in ["", "a b", "a\"b", "a\\b", "a,b", "{}", "<script>", "a%0a", "caf\u{e9}"] {
            assert_eq!(RequestId::from_header(&header(bad)), None, "{bad:?}");
        }
        assert!(RequestId::from_header(&header(&"a".repeat(128))).is_some());
        assert_eq!(RequestId::from_header(&header(&"a".repeat(129))), None);
    }

    #[test]
    fn the_first_layer_makes_the_context_and_the_others_find_it() {
        let clock = crate::ManualClock::default();
        let mut extensions = Extensions::new();
        assert!(RequestContext::get(&extensions).is_none());
        let made = RequestContext::of(&mut extensions, &clock);
        clock.advance(std::time::Duration::from_secs(1));
        let found = RequestContext::of(&mut extensions, &clock);
        assert!(Arc::ptr_eq(&made, &found));
        assert!(found.received() < clock.now());
    }

    #[test]
    fn a_slot_is_written_once() {
        let context = RequestContext::received_at(Mono::ZERO);
        assert!(context.set_outcome(Outcome::Panicked));
        assert!(!context.set_outcome(Outcome::Failed));
        assert_eq!(context.outcome(), Some(Outcome::Panicked));
    }

    #[test]
    fn of_several_limits_the_refusal_counts_and_then_the_one_that_leaves_least() {
        let context = RequestContext::received_at(Mono::ZERO);
        assert_eq!(context.limit(), None);
        for (decision, expected) in [
            (LimitDecision::new(true, 398), LimitDecision::new(true, 398)),
            (LimitDecision::new(true, u64::MAX), LimitDecision::new(true, 398)),
            (LimitDecision::new(true, 0), LimitDecision::new(true, 0)),
            (LimitDecision::new(false, 3), LimitDecision::new(false, 3)),
            (LimitDecision::new(true, 0), LimitDecision::new(false, 3)),
        ] {
            context.add_limit(decision);
            assert_eq!(context.limit(), Some(expected));
        }
    }

    #[test]
    fn a_subject_is_hidden_from_debug() {
        let context = RequestContext::received_at(Mono::ZERO);
        assert!(context.set_subject(Subject::from(String::from("alice@example.org"))));
        assert!(!format!("{context:?}").contains("alice"));
    }

    #[test]
    fn a_trace_id_of_zeroes_does_not_exist() {
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        let id = TraceId::from_bytes(*b"0123456789abcdef").unwrap();
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
    }
}
