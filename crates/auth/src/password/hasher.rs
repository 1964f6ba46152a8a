//! Hashing within a bound.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc};
use hardpoint_core::{
    Secret, Telemetry,
    event::{PasswordChecked, PasswordResult},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PasswordError, PasswordHash, PasswordPolicy, hash::Parts};

/// Memory of a hash in KiB, passes and lanes: a choice of OWASP's password storage cheat sheet.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;

/// Hashes and verifies passwords. Clones share the memory and the queue. See the
/// [module docs](super).
#[derive(Clone)]
#[must_use]
pub struct PasswordHasher {
    shared: Arc<Shared>,
    patience: Duration,
    telemetry: Telemetry,
}

struct Shared {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// Unused memory: never more arenas than hashes may run.
    arenas: Mutex<Vec<Vec<Block>>>,
}

impl PasswordHasher {
    /// Runs as many hashes at once as there are cores; 256 callers wait for at most 5 s.
    ///
    /// A hash takes 19 MiB and 2 passes, OWASP's choice, about 25 ms on a core of a server: a core
    /// serves 40 log-ins a second. The hasher keeps `19 MiB × cores` after the first log-ins.
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_bounds(cores, 256)
    }

    /// Runs `at_once` hashes at the same time; `waiting` callers wait for their turn.
    ///
    /// More hashes than cores gain nothing and cost 19 MiB each; the minimum is 1, the maximum 1024. A
    /// longer queue means longer waits before a caller is refused, and a password in memory for each.
    pub fn with_bounds(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.clamp(1, 1024);
        let admitted = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(admitted)),
            arenas: Mutex::new(Vec::with_capacity(at_once)),
        };
        Self {
            shared: Arc::new(shared),
            patience: Duration::from_secs(5),
            telemetry: Telemetry::none(),
        }
    }

    /// Reports every result to this observer. Default: no observer.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// How long a caller waits for its turn. Default: 5 s, after which users reload the page. 0 refuses
    /// a caller that does not get a turn at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Hashes a new password, with a salt of its own.
    ///
    /// # Errors
    /// [`PasswordError`] if the queue is full, the wait was too long, or the hash function failed. A
    /// password above [`PasswordPolicy::MAX_BYTES`] fails too: check the policy first.
    pub async fn hash(&self, password: Secret<str>) -> Result<PasswordHash, PasswordError> {
        if password.expose().len() > PasswordPolicy::MAX_BYTES {
            return Err(PasswordError::Failed);
        }
        let shared = Arc::clone(&self.shared);
        self.run(move || shared.hash_new(&password), |_| PasswordResult::Hashed).await
    }

    /// Whether this is the password of the stored hash.
    ///
    /// For an account that does not exist pass `None`: the hasher does the same work as for a hash with
    /// its own parameters, and returns `false`.
    ///
    /// # Errors
    /// [`PasswordError`] if the queue is full, the wait was too long, or the hash function failed.
    pub async fn verify(
        &self,
        stored: Option<&PasswordHash>,
        password: Secret<str>,
    ) -> Result<bool, PasswordError> {
        let result = |matches: &bool| match matches {
            true => PasswordResult::Matched,
            false => PasswordResult::Mismatched,
        };
        // No account has such a password, so this reveals nothing about one.
        if password.expose().len() > PasswordPolicy::MAX_BYTES {
            self.telemetry.on(&PasswordChecked::new(result(&false)).into());
            return Ok(false);
        }
        let parts = stored.map(|stored| stored.parts.clone());
        let shared = Arc::clone(&self.shared);
        self.run(move || shared.matches(parts.as_ref(), &password), result).await
    }

    /// Does the work in turn, and reports its result. A failure of the hash function is not one.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
        result: impl FnOnce(&T) -> PasswordResult,
    ) -> Result<T, PasswordError> {
        let answer = self.in_turn(work).await;
        let result = match &answer {
            Ok(answer) => result(answer),
            Err(PasswordError::Overloaded) => PasswordResult::Shed,
            Err(_) => return answer,
        };
        self.telemetry.on(&PasswordChecked::new(result).into());
        answer
    }

    /// Waits for a turn and does the work on a blocking thread.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.shared.admitted)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Overloaded)?;
        let turn = Arc::clone(&self.shared.running).acquire_owned();
        let turn = tokio::time::timeout(self.patience, turn)
            .await
            .map_err(|_| PasswordError::Overloaded)?
            .map_err(|_| PasswordError::Failed)?;
        // The work cannot be cancelled, so it holds the permits until it ends.
        tokio::task::spawn_blocking(move || {
            let _permits: [OwnedSemaphorePermit; 2] = [place, turn];
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)?
    }
}

#[cfg(test)]
impl PasswordHasher {
    /// Takes one of the places that run, as a hash would.
    pub(super) async fn occupy(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.shared.running).acquire_owned().await.unwrap()
    }

    pub(super) fn idle_arenas(&self) -> usize {
        self.shared.arenas().len()
    }
}

impl Shared {
    fn hash_new(&self, password: &Secret<str>) -> Result<PasswordHash, PasswordError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| PasswordError::Failed)?;
        let params = own_params()?;
        let output = self.compute(&params, &salt, password)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: phc::ParamsString::try_from(&params).map_err(|_| PasswordError::Failed)?,
            salt: Some(phc::Salt::new(&salt).map_err(|_| PasswordError::Failed)?),
            hash: Some(phc::Output::new(&output).map_err(|_| PasswordError::Failed)?),
        };
        PasswordHash::parse(&hash.to_string()).map_err(|_| PasswordError::Failed)
    }

    fn matches(
        &self,
        stored: Option<&Parts>,
        password: &Secret<str>,
    ) -> Result<bool, PasswordError> {
        let Some(stored) = stored else {
            let _same_work = self.compute(&own_params()?, &[0; 16], password)?;
            return Ok(false);
        };
        let output = self.compute(&stored.params, stored.salt.as_ref(), password)?;
        // Output compares in constant time.
        Ok(phc::Output::new(&output).is_ok_and(|output| output == stored.output))
    }

    fn compute(
        &self,
        params: &Params,
        salt: &[u8],
        password: &Secret<str>,
    ) -> Result<Vec<u8>, PasswordError> {
        let mut output = vec![0; params.output_len().unwrap_or(OUTPUT)];
        let mut arena = self.arenas().pop().unwrap_or_default();
        if arena.len() < params.block_count() {
            arena.resize(params.block_count(), Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let result = argon2.hash_password_into_with_memory(
            password.expose().as_bytes(),
            salt,
            &mut output,
            arena.as_mut_slice(),
        );
        // A stored hash may have demanded more than a new one: that arena is not kept.
        if arena.len() <= own_params()?.block_count() {
            self.arenas().push(arena);
        }
        result.map(|()| output).map_err(|_| PasswordError::Failed)
    }

    fn arenas(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own_params() -> Result<Params, PasswordError> {
    Params::new(MEMORY, PASSES, LANES, Some(OUTPUT)).map_err(|_| PasswordError::Failed)
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

debug_only!(PasswordHasher { patience });
