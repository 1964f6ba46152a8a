//! Hashing and verifying in turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{
    Secret, Telemetry,
    event::{PasswordChecked, PasswordResult},
};

use super::{
    Normalization, PasswordClient, PasswordError, PasswordHash, PasswordHasherBuilder,
    PasswordPolicy, StoredCeiling, engine::Engine, turns::Turns,
};

/// Hashes and verifies passwords. Clones share the memory and the queue. See the
/// [module docs](super), and [`PasswordHasherBuilder`] for its settings.
#[derive(Clone)]
#[must_use]
pub struct PasswordHasher {
    engine: Arc<Engine>,
    turns: Arc<Turns>,
    ceiling: StoredCeiling,
    normalization: Normalization,
    patience: Duration,
    telemetry: Telemetry,
    /// Whether a stored hash that cannot be verified was logged as a warning.
    warned: Arc<AtomicBool>,
}

impl PasswordHasher {
    /// A hasher with the default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings of a hasher.
    pub fn builder() -> PasswordHasherBuilder {
        PasswordHasherBuilder::new()
    }

    pub(super) fn from_builder(builder: PasswordHasherBuilder) -> Self {
        let engine = Engine::new(builder.profile, builder.peppers);
        for stored in builder.stored {
            engine.known.with(stored.work());
        }
        Self {
            engine: Arc::new(engine),
            turns: Turns::new(builder.bounds),
            ceiling: builder.ceiling,
            normalization: builder.normalization,
            patience: builder.patience,
            telemetry: builder.telemetry,
            warned: Arc::default(),
        }
    }

    /// Hashes a new password, with a salt of its own and the current pepper.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] if the queue refuses the client or the wait was too long, and
    /// [`PasswordError::Failed`] if the hash function failed. A password above
    /// [`PasswordPolicy::MAX_BYTES`] fails too: check the policy first.
    ///
    /// # Cancellation
    /// See the [module docs](super).
    pub async fn hash(
        &self,
        client: PasswordClient,
        password: Secret<str>,
    ) -> Result<PasswordHash, PasswordError> {
        if password.expose().len() > PasswordPolicy::MAX_BYTES {
            return Err(PasswordError::Failed);
        }
        let (engine, normalization) = (Arc::clone(&self.engine), self.normalization);
        let work = move || {
            let normal = normalization.changed(password.expose());
            engine.hash(normal.as_deref().map_or(password.expose(), String::as_str))
        };
        self.in_turn(client, PasswordResult::Hashed, work).await
    }

    /// Whether this is the password of the stored hash: a wrong one is an error.
    ///
    /// For an account that does not exist pass `None`. The hasher does the same work as for a stored
    /// hash, and answers [`PasswordError::Mismatch`]. So does a password above
    /// [`PasswordPolicy::MAX_BYTES`], at once and for every account.
    ///
    /// If the password is right and [`needs_rehash`](Self::needs_rehash), the same turn makes a
    /// [replacement](VerifiedPassword::replacement).
    ///
    /// ```
    /// # use hardpoint_auth::password::{Argon2Profile, PasswordClient, PasswordHasher};
    /// # use hardpoint_core::{Key, Secret};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = PasswordClient::new(&Key::borrowed(b"203.0.113.9"));
    /// let password = || Secret::from("correct horse battery staple");
    /// let old = PasswordHasher::builder().profile(Argon2Profile::owasp_7_mib()).build();
    /// let stored = old.hash(client, password()).await?;
    ///
    /// let new = PasswordHasher::builder().profile(Argon2Profile::owasp_12_mib()).build();
    /// let verified = new.verify(client, Some(&stored), password()).await?;
    /// let replacement = verified.replacement().expect("it was made with another profile");
    /// // Store `replacement` if the account still has `stored`.
    /// assert!(!new.needs_rehash(replacement));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PasswordError::Mismatch`] if the password is wrong. Any other [`PasswordError`] says nothing
    /// about the password. [`AboveCeiling`](PasswordError::AboveCeiling) and
    /// [`UnknownPepper`](PasswordError::UnknownPepper) come after the work of an account that does not
    /// exist, and as responses they are equal to its [`Mismatch`](PasswordError::Mismatch). Count the
    /// attempt as failed if the error [is counted](PasswordError::is_counted).
    ///
    /// # Cancellation
    /// See the [module docs](super).
    pub async fn verify(
        &self,
        client: PasswordClient,
        stored: Option<&PasswordHash>,
        password: Secret<str>,
    ) -> Result<VerifiedPassword, PasswordError> {
        // No account has such a password, so this reveals nothing about one.
        if password.expose().len() > PasswordPolicy::MAX_BYTES {
            return self.report(Err(PasswordError::Mismatch), PasswordResult::Matched);
        }
        // One that cannot be verified gets the work of an account that does not exist: an error at once
        // would reveal that there is one.
        let refused = stored.and_then(|stored| self.check(stored).err());
        if let Some(error) = refused {
            self.log(error);
        }
        let stored = stored.filter(|_| refused.is_none()).cloned();
        let engine = Arc::clone(&self.engine);
        let normalization = self.normalization;
        let work = move || {
            let normal = normalization.changed(password.expose());
            let normal = normal.as_deref().map(String::as_str);
            let verified = engine.verify(stored.as_ref(), password.expose(), normal);
            refused.map_or(verified, Err)
        };
        self.in_turn(client, PasswordResult::Matched, work).await
    }

    /// Whether a new hash of the same password would have other parameters, another pepper or another
    /// algorithm. [`verify`](Self::verify) makes the replacement by itself; this counts what is left.
    ///
    /// A stronger stored hash is replaced too: what differs from the profile costs every log-in its time.
    #[must_use]
    pub fn needs_rehash(&self, stored: &PasswordHash) -> bool {
        self.engine.is_outdated(stored)
    }

    /// Whether the stored hash could be verified, to check a table before an import or after a change of
    /// the settings.
    ///
    /// # Errors
    /// [`PasswordError::AboveCeiling`] or [`PasswordError::UnknownPepper`].
    pub fn check(&self, stored: &PasswordHash) -> Result<(), PasswordError> {
        let is_allowed = |work| self.ceiling.allows(work, self.engine.profile);
        if !stored.work().is_none_or(is_allowed) {
            return Err(PasswordError::AboveCeiling);
        }
        self.engine.pepper_of(stored.pepper()).map(|_| ())
    }

    /// Waits for a turn, does the work on a blocking thread, and reports the result.
    async fn in_turn<T: Send + 'static>(
        &self,
        client: PasswordClient,
        success: PasswordResult,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let answer = match self.turns.turn(client.seat, self.patience).await {
            Err(error) => Err(error),
            // The work cannot be cancelled, so it holds the turn until it ends.
            Ok(turn) => tokio::task::spawn_blocking(move || {
                let answer = work();
                drop(turn);
                answer
            })
            .await
            .unwrap_or(Err(PasswordError::Failed)),
        };
        self.report(answer, success)
    }

    /// Logs a stored hash that the settings do not allow: the first time as a warning, since each log-in of
    /// the account repeats it.
    fn log(&self, error: PasswordError) {
        const TARGET: &str = "hardpoint::auth::password";
        if self.warned.swap(true, Ordering::Relaxed) {
            tracing::debug!(target: TARGET, %error, "a stored hash cannot be verified");
        } else {
            tracing::warn!(target: TARGET, %error, "a stored hash cannot be verified");
        }
    }

    fn report<T>(
        &self,
        answer: Result<T, PasswordError>,
        success: PasswordResult,
    ) -> Result<T, PasswordError> {
        let result = match &answer {
            Ok(_) => success,
            Err(PasswordError::Mismatch) => PasswordResult::Mismatched,
            Err(PasswordError::Overloaded) => PasswordResult::Shed,
            Err(_) => PasswordResult::Failed,
        };
        self.telemetry.on(&PasswordChecked::new(result).into());
        answer
    }
}

#[cfg(test)]
impl PasswordHasher {
    /// Takes a turn, as a hash would.
    pub(super) async fn occupy(&self, client: PasswordClient) -> super::turns::Turn {
        self.turns.turn(client.seat, Duration::MAX).await.unwrap()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

debug_only!(PasswordHasher { ceiling, normalization, patience });

/// A password was right.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifiedPassword {
    pub(super) replacement: Option<PasswordHash>,
}

impl VerifiedPassword {
    /// A hash of the same password by the current settings, if the stored one differs from them. Store it
    /// if the account still has the hash that was verified; the log-in succeeds even if that fails.
    #[must_use]
    pub fn replacement(&self) -> Option<&PasswordHash> {
        self.replacement.as_ref()
    }
}
