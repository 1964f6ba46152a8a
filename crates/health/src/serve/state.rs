//! What the parts of one connection know of each other: its task, its IO and its requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
};

use hardpoint_core::Replacement;

use super::{
    patience::Seen, refused::Refused, rejection::Refusal, report::Draining, request::RequestBody,
};

/// The state of one connection.
///
/// On HTTP/1, one task reads and writes all of it. On HTTP/2, each stream has a task of its own. No
/// field guards other memory and each is read by itself, so every access may be relaxed.
#[derive(Debug)]
pub(super) struct State {
    refused: Refused,
    draining: Draining,
    in_flight: AtomicU32,
    /// The requests in flight that wait for nothing but their client.
    on_client: AtomicU32,
    /// The requests in flight whose client has not taken the last part of the response body.
    unread: AtomicU32,
    /// The bytes that the socket has taken, modulo 2^32.
    sent: AtomicU32,
    /// A request has begun since the connection's task looked.
    served: AtomicBool,
    /// Bytes have arrived since the last request began.
    fed: AtomicBool,
    /// The last write did not fit into the socket.
    blocked: AtomicBool,
    /// The client has taken bytes since the connection's task looked.
    drained: AtomicBool,
}

impl State {
    pub(super) const fn new(refused: Refused, draining: Draining) -> Self {
        Self {
            refused,
            draining,
            in_flight: AtomicU32::new(0),
            on_client: AtomicU32::new(0),
            unread: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            served: AtomicBool::new(false),
            fed: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            drained: AtomicBool::new(false),
        }
    }

    pub(super) const fn refused(&self) -> &Refused {
        &self.refused
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.has_begun()
    }

    /// The client sent bytes.
    pub(super) fn feed(&self) {
        self.fed.store(true, Relaxed);
    }

    /// The result of a write, flush or shutdown.
    pub(super) fn wrote(&self, pending: bool) {
        self.blocked.store(pending, Relaxed);
        if !pending {
            self.drained.store(true, Relaxed);
        }
    }

    /// The socket took bytes.
    pub(super) fn send(&self, bytes: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "only differences count")]
        self.sent.fetch_add(bytes as u32, Relaxed);
    }

    /// A summary for the connection's task. Takes the flags that mean "since the last look".
    pub(super) fn look(&self) -> Seen {
        let in_flight = self.in_flight.load(Relaxed);
        Seen {
            in_flight: in_flight > 0,
            on_client: in_flight > 0 && self.on_client.load(Relaxed) >= in_flight,
            unread: in_flight > 0 && self.unread.load(Relaxed) >= in_flight,
            sent: self.sent.load(Relaxed),
            served: self.served.load(Relaxed),
            fed: self.fed.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            drained: self.drained.load(Relaxed),
        }
    }

    /// Forgets the flags that mean "since the last look".
    pub(super) fn looked(&self) {
        self.served.store(false, Relaxed);
        self.drained.store(false, Relaxed);
    }

    /// The requests in flight: those that the service works on, and those that wait for their
    /// client only.
    pub(super) fn left(&self) -> (u32, u32) {
        let in_flight = self.in_flight.load(Relaxed);
        let waiting = match self.blocked.load(Relaxed) {
            true => in_flight,
            false => self.on_client.load(Relaxed).min(in_flight),
        };
        (in_flight - waiting, waiting)
    }
}

/// One request. It is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    state: Arc<State>,
    /// Shared with the request's body, if it has one.
    body: Option<Arc<BodyState>>,
    /// The client has not taken the last part of the response body.
    unread: bool,
}

impl Exchange {
    pub(super) fn begin(state: &Arc<State>, has_body: bool) -> Self {
        state.in_flight.fetch_add(1, Relaxed);
        state.served.store(true, Relaxed);
        state.fed.store(false, Relaxed);
        let body = has_body.then(|| Arc::new(BodyState::new(Arc::clone(state))));
        Self { state: Arc::clone(state), body, unread: false }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) const fn body(&self) -> Option<&Arc<BodyState>> {
        self.body.as_ref()
    }

    /// The service has responded. Returns `false` if the client sent the request's body too slowly
    /// before, so that the server sends a refusal instead.
    pub(super) fn respond(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.decide(BodyState::RESPONDED))
    }

    /// Notes for the layers that the server replaces their response. The body may be about to do so
    /// on another thread.
    pub(super) fn note_replacement(&self) {
        if let Some(body) = &self.body {
            body.note_replacement();
        }
    }

    /// Notes whether a part of the response waits for the client to take it.
    pub(super) fn set_unread(&mut self, unread: bool) {
        if self.unread == unread {
            return;
        }
        self.unread = unread;
        match unread {
            true => self.state.unread.fetch_add(1, Relaxed),
            false => self.state.unread.fetch_sub(1, Relaxed),
        };
        match (&self.body, unread) {
            (Some(body), true) => body.wait(BodyState::RESPONSE),
            (Some(body), false) => body.go_on(BodyState::RESPONSE),
            (None, true) => _ = self.state.on_client.fetch_add(1, Relaxed),
            (None, false) => _ = self.state.on_client.fetch_sub(1, Relaxed),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.set_unread(false);
        if let Some(body) = &self.body {
            body.end();
        }
        // What arrived since the request began belonged to its body. Of a request that the client
        // sent ahead, only the part that arrives from now on shows.
        self.state.fed.store(false, Relaxed);
        self.state.in_flight.fetch_sub(1, Relaxed);
    }
}

/// What a request and its body know of each other. The body may outlive the request.
#[derive(Debug)]
pub(super) struct BodyState {
    state: Arc<State>,
    /// What the request waits for: its body, its client's reading, or nothing more at all.
    waits: AtomicU8,
    /// What the client gets: the response, or a refusal because the body was too slow. The first of
    /// the two counts.
    decided: AtomicU8,
    replacement: Replacement,
}

impl BodyState {
    const BODY: u8 = 1;
    const RESPONSE: u8 = 1 << 1;
    const ENDED: u8 = 1 << 2;

    const UNDECIDED: u8 = 0;
    const RESPONDED: u8 = 1;
    const TOO_SLOW: u8 = 2;

    fn new(state: Arc<State>) -> Self {
        let (waits, decided) = (AtomicU8::new(0), AtomicU8::new(Self::UNDECIDED));
        Self { state, waits, decided, replacement: Replacement::default() }
    }

    /// Where the layers read that the server replaces their response.
    pub(super) const fn replacement(&self) -> &Replacement {
        &self.replacement
    }

    pub(super) fn wait_for_body(&self) {
        self.wait(Self::BODY);
    }

    pub(super) fn go_on_with_body(&self) {
        self.go_on(Self::BODY);
    }

    pub(super) fn has_responded(&self) -> bool {
        self.decided.load(Relaxed) == Self::RESPONDED
    }

    /// The client has had its time. Returns `false` if the service has responded meanwhile.
    pub(super) fn set_too_slow(&self) -> bool {
        let decided = self.decide(Self::TOO_SLOW);
        if decided {
            // The service may end with the body's error, and then writes its line before it returns.
            self.note_replacement();
        }
        decided
    }

    fn note_replacement(&self) {
        self.replacement.set(&Refusal::BodyTimeout.render::<RequestBody>());
    }

    fn decide(&self, what: u8) -> bool {
        let decided = self.decided.compare_exchange(Self::UNDECIDED, what, Relaxed, Relaxed);
        decided.is_ok() || decided == Err(what)
    }

    fn wait(&self, bit: u8) {
        if self.waits.fetch_or(bit, Relaxed) == 0 {
            self.state.on_client.fetch_add(1, Relaxed);
        }
    }

    fn go_on(&self, bit: u8) {
        if self.waits.fetch_and(!bit, Relaxed) == bit {
            self.state.on_client.fetch_sub(1, Relaxed);
        }
    }

    /// The request has ended: what its body does from now on does not count.
    fn end(&self) {
        let waits = self.waits.fetch_or(Self::ENDED, Relaxed);
        if waits & (Self::BODY | Self::RESPONSE) != 0 {
            self.state.on_client.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifecycle;

    fn state() -> Arc<State> {
        let lifecycle = Lifecycle::builder().build().unwrap();
        let draining = Draining::new(Arc::clone(lifecycle.board()));
        Arc::new(State::new(Refused::new(), draining))
    }

    #[test]
    fn a_request_that_waits_for_its_client_twice_counts_once() {
        let state = state();
        let mut exchange = Exchange::begin(&state, true);
        assert!(state.look().in_flight && !state.look().on_client);
        let body = Arc::clone(exchange.body().unwrap());
        body.wait_for_body();
        body.wait_for_body();
        exchange.set_unread(true);
        assert_eq!(state.left(), (0, 1));
        body.go_on_with_body();
        assert!(state.look().on_client, "the response is still unread");
        exchange.set_unread(false);
        assert_eq!(state.left(), (1, 0));
    }

    #[test]
    fn a_body_that_outlives_its_request_does_not_count() {
        let state = state();
        for ends_waiting in [true, false] {
            let exchange = Exchange::begin(&state, true);
            let body = Arc::clone(exchange.body().unwrap());
            if ends_waiting {
                body.wait_for_body();
            }
            drop(exchange);
            body.wait_for_body();
            body.go_on_with_body();
            assert_eq!(state.left(), (0, 0));
            let _next = Exchange::begin(&state, false);
            assert_eq!(state.left(), (1, 0), "the next request works");
        }
    }

    #[test]
    fn a_request_without_a_body_waits_only_for_its_reader() {
        let state = state();
        let mut exchange = Exchange::begin(&state, false);
        exchange.set_unread(true);
        assert!(state.look().on_client);
        drop(exchange);
        assert_eq!(state.left(), (0, 0));
        let _next = Exchange::begin(&state, false);
        assert!(!state.look().on_client);
    }

    #[test]
    fn a_connection_is_unread_once_all_of_its_responses_are() {
        let state = state();
        for has_body in [true, false] {
            let mut one = Exchange::begin(&state, has_body);
            let mut two = Exchange::begin(&state, !has_body);
            one.set_unread(true);
            assert!(!state.look().unread, "the other request works");
            two.set_unread(true);
            assert!(state.look().unread);
            two.set_unread(false);
            assert!(!state.look().unread);
            drop((one, two));
            let _next = Exchange::begin(&state, has_body);
            assert!(!state.look().unread, "an ended request counts no longer");
        }
    }

    #[test]
    fn a_blocked_socket_makes_every_request_wait_for_the_client() {
        let state = state();
        let _one = Exchange::begin(&state, false);
        let _two = Exchange::begin(&state, false);
        state.wrote(true);
        assert_eq!(state.left(), (0, 2));
        state.wrote(false);
        assert_eq!(state.left(), (2, 0));
    }
}
