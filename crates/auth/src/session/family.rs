//! The transition of a refresh family: the effect of one presented token. Pure.

use std::{num::NonZeroU32, time::Duration};

/// The state of a refresh family: constant in size, however often its token is rotated.
///
/// A family is one session. Its tokens are numbered by *generation*, and exactly one generation is
/// current. Every store keeps these numbers and decides with [`present`](Self::present), or with a
/// script that does the same, in one atomic step.
///
/// All times are milliseconds since 1970 by the clock of the store.
///
/// ```
/// use hardpoint_auth::session::{FamilyState, Rotation, Transition};
/// use std::time::Duration;
///
/// let rotation = Rotation { idle: Duration::from_secs(3600), ..Rotation::default() };
/// let mut family = FamilyState::new(7, 0, Duration::from_secs(86_400), &rotation);
/// assert_eq!(family.present(1, 7, 1_000, &rotation), Transition::Rotated);
/// // The client lost the response and retries: it gets the same successor.
/// assert_eq!(family.present(1, 7, 5_000, &rotation), Transition::Replayed);
/// assert_eq!(family.present(2, 7, 60_000, &rotation), Transition::Rotated);
/// // A copy of the first token comes back: it was stolen.
/// assert_eq!(family.present(1, 7, 61_000, &rotation), Transition::Reused);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyState {
    /// The current generation. The first is 1.
    pub generation: u64,
    /// The generation whose presentation may still be a retry; 0 if there is none.
    ///
    /// It is stored, not computed as `generation - 1`. After a forgiven retry
    /// ([`AfterGrace::BranchKill`]) the generation below the current one is an orphan that no
    /// client may present, and computing it would accept a thief's orphan for ever.
    pub previous: u64,
    /// The id of the key that authenticates the token of the current generation.
    pub key_id: u32,
    /// When the current generation was made. Retries do not move it.
    pub rotated_at: u64,
    /// When the family ends unless it is rotated.
    pub idle_deadline: u64,
    /// When the family ends in any case.
    pub absolute_deadline: u64,
    /// The retries that were forgiven since `forgiven_since`.
    pub forgiven: u32,
    /// When the day began in which `forgiven` is counted.
    pub forgiven_since: u64,
}

/// How a family is rotated.
///
/// Defaults: a grace of 10 s, an idle time of 7 days, [`AfterGrace::Strict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long after a rotation the previous token is still answered, with the same successor.
    pub grace: Duration,
    /// How long a family lives without being rotated.
    pub idle: Duration,
    /// What the previous token means after the grace.
    pub after_grace: AfterGrace,
}

impl Rotation {
    /// The longest [`grace`](Self::grace): a minute. A thief who presents a token within the grace
    /// is not detected, so it must not be longer than a retry takes.
    pub const MAX_GRACE: Duration = Duration::from_secs(60);
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            idle: Duration::from_secs(7 * DAY / 1000),
            after_grace: AfterGrace::Strict,
        }
    }
}

/// What the previous token means after the grace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterGrace {
    /// Reuse: the family ends (RFC 9700 §4.14.2, OWASP ASVS 10.4.5). The default.
    ///
    /// A client that lost a response and was offline for longer than the grace has to log in again.
    #[default]
    Strict,
    /// A forgiven retry: the family continues with a new generation, and the successor that the
    /// client may not have received becomes an orphan whose presentation is reuse.
    ///
    /// A thief is detected later than under [`Strict`](Self::Strict): at the third change between
    /// thief and owner at the latest, where `Strict` detects the first.
    BranchKill {
        /// How many retries are forgiven in 24 hours. A further one is reuse.
        per_day: NonZeroU32,
    },
}

/// The effect of a presented token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transition {
    /// The family's time is over.
    Expired,
    /// The previous token came after the grace and was forgiven: the generation advanced.
    Forgiven,
    /// The token was the previous one, within the grace: its successor is derived again.
    Replayed,
    /// The token was used before: it was copied. The family ends.
    Reused,
    /// The token is authentic and *newer* than the family: the store lost a rotation, as after a
    /// failover to a replica that was behind. It is not evidence of theft, and changes nothing.
    RolledBack,
    /// The token was the current one: the generation advanced.
    Rotated,
}

impl FamilyState {
    /// The state of a new family, whose token has generation 1 and was made with this key.
    #[must_use]
    pub fn new(key_id: u32, now: u64, absolute: Duration, rotation: &Rotation) -> Self {
        Self {
            generation: 1,
            previous: 0,
            key_id,
            rotated_at: now,
            idle_deadline: now.saturating_add(millis(rotation.idle)),
            absolute_deadline: now.saturating_add(millis(absolute)),
            forgiven: 0,
            forgiven_since: now,
        }
    }

    /// When the family ends unless it is rotated.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.idle_deadline.min(self.absolute_deadline)
    }

    /// Presents an authentic token of this generation at `now`. If the generation advances, the new
    /// token is made with the key `key_id`.
    ///
    /// The state changes only if the generation advances. On [`Transition::Reused`] and
    /// [`Transition::Expired`] the caller removes the family in the same step.
    pub fn present(
        &mut self,
        generation: u64,
        key_id: u32,
        now: u64,
        rotation: &Rotation,
    ) -> Transition {
        if now >= self.deadline() {
            return Transition::Expired;
        }
        if generation > self.generation {
            return Transition::RolledBack;
        }
        if generation == self.generation {
            self.previous = generation;
            self.advance(key_id, now, rotation);
            return Transition::Rotated;
        }
        // A clock that was set back makes the age 0, which is within the grace.
        if generation != self.previous {
            return Transition::Reused;
        }
        if now.saturating_sub(self.rotated_at) < millis(rotation.grace) {
            return Transition::Replayed;
        }
        if !self.is_forgiven(now, rotation.after_grace) {
            return Transition::Reused;
        }
        // `previous` stays, so the generation that is left behind is an orphan.
        self.advance(key_id, now, rotation);
        Transition::Forgiven
    }

    fn advance(&mut self, key_id: u32, now: u64, rotation: &Rotation) {
        self.generation = self.generation.saturating_add(1);
        self.key_id = key_id;
        self.rotated_at = now;
        self.idle_deadline = now.saturating_add(millis(rotation.idle));
    }

    /// Whether a late retry is forgiven; if so, it is counted.
    fn is_forgiven(&mut self, now: u64, after_grace: AfterGrace) -> bool {
        let AfterGrace::BranchKill { per_day } = after_grace else { return false };
        if now.saturating_sub(self.forgiven_since) >= DAY {
            (self.forgiven, self.forgiven_since) = (0, now);
        }
        let is_forgiven = self.forgiven < per_day.get();
        self.forgiven += u32::from(is_forgiven);
        is_forgiven
    }
}

pub(super) use crate::store::millis;

/// A day, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests;
