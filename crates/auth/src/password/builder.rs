//! The settings of a hasher.

use std::{num::NonZeroUsize, thread, time::Duration};

use hardpoint_core::Telemetry;

use super::{
    Argon2Profile, Normalization, PasswordHash, PasswordHasher, PepperRing, StoredCeiling,
    queue::Bounds,
};

/// The settings of a [`PasswordHasher`].
///
/// | setting | default |
/// |---|---|
/// | [`profile`](Self::profile) | 19 MiB, 2 passes |
/// | [`arenas`](Self::arenas) | the number of cores |
/// | [`waiting`](Self::waiting) | 512 |
/// | [`in_flight_per_client`](Self::in_flight_per_client) | 256 |
/// | [`patience`](Self::patience) | 5 s |
/// | [`ceiling`](Self::ceiling) | 128 MiB, 10 passes, 256 lanes |
/// | [`peppers`](Self::peppers) | none |
/// | [`normalization`](Self::normalization) | off |
/// | [`add_stored`](Self::add_stored) | only hashes of the profile |
/// | [`telemetry`](Self::telemetry) | no observer |
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordHasherBuilder {
    pub(super) profile: Argon2Profile,
    pub(super) bounds: Bounds,
    pub(super) patience: Duration,
    pub(super) ceiling: StoredCeiling,
    pub(super) peppers: Option<PepperRing>,
    pub(super) normalization: Normalization,
    pub(super) stored: Vec<PasswordHash>,
    pub(super) telemetry: Telemetry,
}

impl PasswordHasherBuilder {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            profile: Argon2Profile::default(),
            bounds: Bounds { at_once: cores, waiting: 512, per_client: 256 },
            patience: Duration::from_secs(5),
            ceiling: StoredCeiling::default(),
            peppers: None,
            normalization: Normalization::default(),
            stored: Vec::new(),
            telemetry: Telemetry::none(),
        }
    }

    /// What a new hash costs. Default: 19 MiB and 2 passes, OWASP's choice that needs the least memory
    /// with few passes; about 25 ms on a core of a server, so that a core serves 40 log-ins a second.
    /// Stored hashes with other parameters are replaced when their users log in.
    pub fn profile(mut self, profile: Argon2Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How many hashes run at once, each in its own arena of memory. Default: the number of cores.
    /// More arenas gain nothing and cost `profile.memory_bytes()` each; fewer leave cores to other
    /// requests. The minimum is 1, the maximum 1024.
    pub fn arenas(mut self, arenas: usize) -> Self {
        self.bounds.at_once = arenas.clamp(1, 1024);
        self
    }

    /// How many callers may wait: this many strangers, and as many callers from known devices.
    /// Default: 512, more than two cores serve within the default patience. Each holds a password
    /// of at most 1 KiB. The maximum is 65,536. With 0 a caller that finds every arena busy is
    /// refused.
    pub fn waiting(mut self, callers: usize) -> Self {
        self.bounds.waiting = callers.min(65_536);
        self
    }

    /// How many callers of one client hash and wait, in each lane. Default: 256, as many connections as
    /// the server of `hardpoint-health` allows a network; so no client fills the queue alone, and an office
    /// behind one address logs in in the morning. The queue is fair at any number: a larger one only
    /// lets a client wait for longer. The minimum is 1.
    pub fn in_flight_per_client(mut self, callers: usize) -> Self {
        self.bounds.per_client = callers.max(1);
        self
    }

    /// How long a caller waits for its turn. Default: 5 s, after which users reload the page. 0 refuses
    /// a caller that does not get a turn at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The most that a stored hash may demand. Default: see [`StoredCeiling`].
    pub fn ceiling(mut self, ceiling: StoredCeiling) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// Secrets that new hashes need beside the password. Default: none. Hashes without a pepper still
    /// verify, and are replaced when their users log in.
    pub fn peppers(mut self, peppers: PepperRing) -> Self {
        self.peppers = Some(peppers);
        self
    }

    /// What happens to a password before it is hashed. Default: nothing.
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Declares that hashes with the parameters of this one are stored: those of an earlier profile
    /// or of another system. Default: only the profile's.
    ///
    /// Every verification does the work of one hash of each kind, so that its time does not reveal which
    /// one an account has, or whether there is an account. The hasher learns the kinds that it meets, up
    /// to 8; naming them hides the first ones too. Each kind costs all log-ins its time, until a process
    /// starts after the last hash of the kind was replaced. The content of `example` does not matter.
    pub fn add_stored(mut self, example: &PasswordHash) -> Self {
        self.stored.push(example.clone());
        self
    }

    /// Reports every result to this observer. Default: no observer.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Makes the hasher. Allocates no arena: each is made when a hash first needs it.
    pub fn build(self) -> PasswordHasher {
        PasswordHasher::from_builder(self)
    }
}
