//! Keys that rotate.

use std::{sync::Arc, time::Duration};

use super::{KeySet, KeySetError, SigningKey, VerifyingKey};

/// The signing keys of an issuer, each with the time from which it signs.
///
/// The state of a key depends only on the time, so all instances that hold the same ring agree
/// without a leader. A key is [`Pending`](KeyState::Pending) until its time comes,
/// [`Active`](KeyState::Active) until the next key's time comes,
/// [`VerifyOnly`](KeyState::VerifyOnly) while its last tokens live, and
/// [`Revoked`](KeyState::Revoked) afterwards. Times are since 1970.
///
/// Add the next key well before it signs: at least as long as verifiers cache the published set.
/// [`JwksService`](crate::JwksService) sends a `max-age` of 5 minutes.
///
/// ```
/// use hardpoint_auth::{KeyRing, KeyState, SigningKey};
/// use std::time::Duration;
///
/// let (now, hour) = (Duration::from_secs(1_800_000_000), Duration::from_secs(3600));
/// let old = SigningKey::generate()?;
/// let old_id = old.key_id().to_owned();
/// let ring = KeyRing::new(old).add_key(SigningKey::generate()?, now + hour)?;
///
/// assert_eq!(ring.key_set(now)?.iter().len(), 2, "the next key is published before it signs");
/// assert_eq!(ring.signing_key(now).map(|key| key.key_id()), Some(old_id.as_str()));
/// assert_eq!(ring.state(&old_id, now + hour), Some(KeyState::VerifyOnly));
/// assert_eq!(ring.state(&old_id, now + 3 * hour), Some(KeyState::Revoked));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct KeyRing {
    /// In the order in which they sign.
    slots: Vec<Slot>,
    overlap: Duration,
}

#[derive(Clone, Debug)]
struct Slot {
    public: VerifyingKey,
    /// `None` for a key that verifies until its slot's time comes, and never signs.
    signing: Option<Arc<SigningKey>>,
    signs_from: Duration,
    is_revoked: bool,
}

impl Slot {
    fn signing(key: Arc<SigningKey>, signs_from: Duration) -> Self {
        Self { public: key.verifying_key(), signing: Some(key), signs_from, is_revoked: false }
    }

    fn is_live(&self) -> bool {
        !self.is_revoked
    }
}

/// The state of a key in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It signs and verifies.
    Active,
    /// It is published and verifies, and does not sign yet.
    Pending,
    /// It neither signs nor verifies.
    Revoked,
    /// It verifies, and does not sign any more.
    VerifyOnly,
}

impl KeyRing {
    /// A ring with one key, which signs at once.
    pub fn new(key: impl Into<Arc<SigningKey>>) -> Self {
        let slots = vec![Slot::signing(key.into(), Duration::ZERO)];
        Self { slots, overlap: Duration::from_secs(3600) }
    }

    /// How long a key verifies after the next one has begun to sign. Default: 1 hour, four times the
    /// default lifetime of a token.
    ///
    /// It must be longer than a token's lifetime plus the verifier's leeway; 0 refuses all tokens of
    /// the previous key at once. A longer overlap keeps a leaked key useful for longer: revoke it.
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// Adds a key that signs from this time since 1970 until a key with a later time does.
    ///
    /// # Errors
    /// [`KeySetError`] as [`KeySet::new`].
    pub fn add_key(
        self,
        key: impl Into<Arc<SigningKey>>,
        signs_from: Duration,
    ) -> Result<Self, KeySetError> {
        self.add(Slot::signing(key.into(), signs_from))
    }

    /// Adds a key that never signs and verifies until this time since 1970, such as a previous key of
    /// which only the public half is left.
    ///
    /// # Errors
    /// [`KeySetError`] as [`KeySet::new`].
    pub fn add_verifying_key(
        self,
        key: VerifyingKey,
        until: Duration,
    ) -> Result<Self, KeySetError> {
        self.add(Slot { public: key, signing: None, signs_from: until, is_revoked: false })
    }

    fn add(mut self, slot: Slot) -> Result<Self, KeySetError> {
        self.slots.push(slot);
        self.slots.sort_by_key(|slot| slot.signs_from);
        KeySet::new(self.slots.iter().map(|slot| slot.public.clone())).map(|_| self)
    }

    /// Revokes a key at once, such as one that has leaked: verifiers refuse the tokens that it signed,
    /// cached ones too. The latest key before it signs again if no later one does yet.
    ///
    /// # Errors
    /// [`KeySetError::Unknown`] if no key has this id.
    pub fn revoke(mut self, key_id: &str) -> Result<Self, KeySetError> {
        let slot = self.slots.iter_mut().find(|slot| slot.public.key_id() == key_id);
        let unknown = || KeySetError::Unknown(key_id.to_owned());
        slot.ok_or_else(unknown)?.is_revoked = true;
        Ok(self)
    }

    /// The state of a key at a time since 1970; `None` if no key has this id.
    #[must_use]
    pub fn state(&self, key_id: &str, now: Duration) -> Option<KeyState> {
        let slot = self.slots.iter().find(|slot| slot.public.key_id() == key_id)?;
        let is_active = self.signing_key(now).is_some_and(|signing| signing.key_id() == key_id);
        Some(if slot.is_revoked || now >= self.verifies_until(slot) {
            KeyState::Revoked
        } else if is_active {
            KeyState::Active
        } else if now < slot.signs_from && slot.signing.is_some() {
            KeyState::Pending
        } else {
            KeyState::VerifyOnly
        })
    }

    /// The key that signs at a time since 1970: the latest whose time has come. `None` if all keys
    /// are revoked.
    #[must_use]
    pub fn signing_key(&self, now: Duration) -> Option<&Arc<SigningKey>> {
        let mut begun = self.slots.iter().rev().filter(|slot| slot.signs_from <= now);
        begun.find_map(|slot| slot.signing.as_ref().filter(|_| slot.is_live()))
    }

    /// The keys that verify at a time since 1970, for a [`JwksService`](crate::JwksService) and a
    /// verifier. Each stops verifying when its time is over, even in an old set.
    ///
    /// # Errors
    /// [`KeySetError::Empty`] if all keys are revoked.
    pub fn key_set(&self, now: Duration) -> Result<KeySet, KeySetError> {
        let live = self.slots.iter().filter(|slot| slot.is_live());
        let timed = live.map(|slot| (slot.public.clone(), self.verifies_until(slot)));
        KeySet::until(timed.filter(|(_, until)| now < *until))
    }

    /// The next time since 1970 at which the state of a key changes: when to publish a new
    /// [`key_set`](Self::key_set).
    #[must_use]
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let live = || self.slots.iter().filter(|slot| slot.is_live());
        let starts = live().map(|slot| slot.signs_from);
        let ends = live().map(|slot| self.verifies_until(slot));
        starts.chain(ends).filter(|time| *time > now && *time < Duration::MAX).min()
    }

    fn verifies_until(&self, slot: &Slot) -> Duration {
        if slot.signing.is_none() {
            return slot.signs_from;
        }
        let is_later = |other: &&Slot| {
            other.signing.is_some() && other.is_live() && other.signs_from > slot.signs_from
        };
        let next = self.slots.iter().find(is_later);
        next.map_or(Duration::MAX, |next| next.signs_from.saturating_add(self.overlap))
    }
}
