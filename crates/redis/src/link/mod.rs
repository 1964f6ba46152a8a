//! The link: what all its clones share, and the task behind it.

mod backoff;
mod driver;
mod flights;
mod job;
mod nest;
mod session;
mod watch;

use std::{
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Telemetry,
    event::{LinkAnswered, LinkChanged, LinkState},
};
use tokio::sync::watch as channel;

pub(crate) use self::{driver::start, job::Job};
use crate::{Concept, ConfigError, Error, WhenFull, endpoint::Endpoint, schema::Memory};

/// What a builder sets.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) queue: NonZeroU32,
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) scripts: Vec<&'static str>,
    pub(crate) telemetry: Telemetry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(25),
            connect_timeout: Duration::from_millis(500),
            queue: const { NonZeroU32::new(1024).unwrap() },
            prefix: "hardpoint".into(),
            name: "redis".into(),
            scripts: Vec::new(),
            telemetry: Telemetry::none(),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (setting, given) in
            [("deadline", self.deadline), ("connect_timeout", self.connect_timeout)]
        {
            if given.is_zero() {
                return Err(ConfigError::Zero { setting });
            }
            if given > LONGEST {
                return Err(ConfigError::TooLong { setting, given, most: LONGEST });
            }
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(plain) {
            return Err(ConfigError::Prefix { prefix: self.prefix.clone() });
        }
        Ok(())
    }
}

/// What the handles and the task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: Settings,
    state: State,
    /// Why the link is down.
    cause: RwLock<Error>,
    memory: Mutex<Option<Memory>>,
    concepts: Mutex<Vec<Concept>>,
    topology: AtomicU8,
}

/// The state, for a quick look and for those who wait for a change.
#[derive(Debug)]
struct State {
    word: AtomicU8,
    changes: channel::Sender<LinkState>,
}

impl Shared {
    pub(crate) fn new(endpoint: Endpoint, settings: Settings) -> Self {
        Self {
            endpoint,
            settings,
            state: State {
                word: AtomicU8::new(CONNECTING),
                changes: channel::channel(LinkState::Connecting).0,
            },
            cause: RwLock::new(Error::unavailable()),
            memory: Mutex::new(None),
            concepts: Mutex::default(),
            topology: AtomicU8::new(NOT_KNOWN),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> LinkState {
        match self.state.word.load(Ordering::Relaxed) {
            CONNECTING => LinkState::Connecting,
            UP => LinkState::Up,
            _ => LinkState::Down,
        }
    }

    pub(crate) fn changes(&self) -> channel::Receiver<LinkState> {
        self.state.changes.subscribe()
    }

    /// What commands fail with while the link is down.
    pub(crate) fn refusal(&self) -> Error {
        self.cause.read().unwrap_or_else(PoisonError::into_inner).as_refusal()
    }

    /// Notes that the link is down, and why. Returns whether it was up.
    fn enter_down(&self, cause: &Error) -> bool {
        self.cause.write().unwrap_or_else(PoisonError::into_inner).clone_from(cause);
        self.enter(LinkState::Down)
    }

    /// Notes a new state. Returns whether it differs from the last.
    fn enter(&self, state: LinkState) -> bool {
        let word = match state {
            LinkState::Connecting => CONNECTING,
            LinkState::Up => UP,
            _ => DOWN,
        };
        if self.state.word.swap(word, Ordering::Relaxed) == word {
            return false;
        }
        self.state.changes.send_replace(state);
        self.settings.telemetry.on(&LinkChanged::new(&self.settings.name, state).into());
        true
    }

    /// Reports the end of one command.
    pub(crate) fn answered(&self, result: Result<(), &Error>, took: Duration) {
        let telemetry = &self.settings.telemetry;
        if !telemetry.is_none() {
            let result = result.map_err(|error| error.kind().into());
            telemetry.on(&LinkAnswered::new(&self.settings.name, result, took).into());
        }
    }

    pub(crate) fn add_concept(&self, concept: &Concept) {
        let mut concepts = self.concepts.lock().unwrap_or_else(PoisonError::into_inner);
        if !concepts.contains(concept) {
            concepts.push(*concept);
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(memory) = &*memory {
                self.warn_of_eviction(memory, concept);
            }
        }
    }

    pub(crate) fn when_full(&self, concept: &Concept) -> Option<WhenFull> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.as_ref().map(|memory| memory.when_full(concept))
    }

    /// Whether the server is a node of a cluster, if it has said so.
    #[inline]
    pub(crate) fn is_cluster(&self) -> Option<bool> {
        match self.topology.load(Ordering::Relaxed) {
            SINGLE => Some(false),
            CLUSTER => Some(true),
            _ => None,
        }
    }

    fn note_cluster(&self, is_cluster: Option<bool>) {
        let word = is_cluster.map_or(NOT_KNOWN, |is| if is { CLUSTER } else { SINGLE });
        self.topology.store(word, Ordering::Relaxed);
    }

    /// Notes the server's memory settings, and warns of what they do to the concepts in use.
    fn note_memory(&self, memory: Option<Memory>) {
        let concepts = self.concepts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memory
            && known.as_ref() != Some(&memory)
        {
            for concept in &*concepts {
                self.warn_of_eviction(&memory, concept);
            }
            *known = Some(memory);
        }
    }

    fn warn_of_eviction(&self, memory: &Memory, concept: &Concept) {
        if let WhenFull::Evicts(loss) = memory.when_full(concept) {
            tracing::warn!(
                target: "hardpoint::redis::link",
                link = self.settings.name,
                concept = concept.name(),
                maxmemory_policy = &*memory.policy,
                when_evicted = loss,
                "the server evicts keys of this concept when its memory is full"
            );
        }
    }
}

/// The longest deadline and connect timeout. The link adds a few of them to the time, and the sum of a
/// much longer one would overflow.
const LONGEST: Duration = Duration::from_hours(1);

const NOT_KNOWN: u8 = 0;
const SINGLE: u8 = 1;
const CLUSTER: u8 = 2;

const CONNECTING: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;
