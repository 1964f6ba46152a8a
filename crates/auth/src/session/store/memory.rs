//! Sessions in the memory of this process.

use std::{
    collections::hash_map::Entry,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::event::StoreErrorKind;

use super::{
    Accepted, Kept, Opened, Opening, Presentation, Presented, Revoke, SessionStore, StoreError,
    Which,
};
use crate::{
    InMemory, Revocations, Revoked,
    session::{FamilyState, Reuse, Session, SessionId, Transition, family::millis},
    shards::Shards,
    store::StoreClock,
};

/// Sessions in the memory of this process: see [`SessionStore::memory`].
pub(super) struct MemorySessions {
    families: Shards<SessionId, Family>,
    subjects: Shards<Arc<str>, Subject>,
    count: AtomicUsize,
    capacity: usize,
    /// Every subject's first epoch. Larger than those of an earlier process, whose sessions are
    /// gone.
    origin: u64,
    pub(super) revocations: Revocations,
    clock: StoreClock,
}

debug_only!(MemorySessions { count, capacity });

struct Family {
    state: FamilyState,
    proof: [u8; 16],
    epoch: u64,
    session: Session,
}

#[derive(Default)]
struct Subject {
    /// The epoch, if it is not the origin.
    epoch: Option<u64>,
    /// When the last session that the epoch concerns has ended, and its access tokens.
    until: u64,
    sessions: Vec<SessionId>,
}

impl From<InMemory> for SessionStore {
    fn from(settings: InMemory) -> Self {
        let clock = StoreClock::new(settings.time.clone());
        let origin = clock.now();
        let revocations = Revocations::local(settings.time);
        revocations.began(origin);
        Self {
            kept: Kept::Memory(Arc::new(MemorySessions {
                families: Shards::new(),
                subjects: Shards::new(),
                count: AtomicUsize::new(0),
                capacity: settings.capacity.unwrap_or(100_000),
                origin,
                revocations,
                clock,
            })),
        }
    }
}

impl MemorySessions {
    // Locks are taken in the order subject, family, revocations. A panic leaves each consistent.

    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError> {
        let now = self.clock.now();
        let mut subjects = self.subjects.lock(opening.subject);
        // Subjects without a session, and without an epoch that concerns an access token, are forgotten.
        subjects.sweep(now, true, |subject| {
            self.prune(subject, now, |_| ());
            let has_epoch = subject.epoch.is_some() && now < subject.until;
            !has_epoch && subject.sessions.is_empty()
        });
        if !self.has_room(opening.session, now) {
            return Err(StoreError::new(StoreErrorKind::Unavailable)
                .with_source("there are as many sessions as the store's capacity allows"));
        }
        let subject = subjects.entries.entry(opening.subject.into()).or_default();
        let until = now.saturating_add(millis(opening.access));
        if let Some(replaced) = opening.replaces {
            self.end(subject, until, |session| session == replaced);
        }
        self.make_room(subject, opening, now);
        let last =
            now.saturating_add(millis(opening.absolute)).saturating_add(millis(opening.access));
        subject.until = subject.until.max(last);
        if let Some(epoch) = subject.epoch {
            self.revocations.record(&Revoked::Subject {
                subject: opening.subject,
                epoch,
                until: secs(subject.until),
            });
        }
        let epoch = subject.epoch.unwrap_or(self.origin);
        let state = FamilyState::new(opening.key_id, now, opening.absolute, &opening.rotation);
        let session = opening.session(now);
        let family = Family { state, proof: opening.proof, epoch, session };
        subject.sessions.push(opening.session);
        self.families.lock(&opening.session).entries.insert(opening.session, family);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Opened { epoch, at: now })
    }

    pub(super) fn present(&self, presentation: &Presentation<'_>) -> Presented {
        let now = self.clock.now();
        let mut families = self.families.lock(&presentation.session);
        let Entry::Occupied(mut entry) = families.entries.entry(presentation.session) else {
            return Presented::Unknown;
        };
        let family = entry.get_mut();
        if family.proof != presentation.proof {
            return Presented::Unknown;
        }
        let subject = Arc::clone(&family.session.subject);
        // All sessions of the subject may be ending at this moment.
        let is_over = self.revocations.epoch(&subject).is_some_and(|least| family.epoch < least);
        let (generation, rotation) = (presentation.generation, &presentation.rotation);
        let before = family.state;
        let transition = if is_over {
            Transition::Expired
        } else {
            family.state.present(generation, presentation.key_id, now, rotation)
        };
        match transition {
            Transition::RolledBack => return Presented::RolledBack,
            Transition::Reused => {
                let until = now.saturating_add(millis(presentation.access));
                self.revocations
                    .record(&Revoked::Session { id: presentation.session, until: secs(until) });
            }
            Transition::Expired => {}
            Transition::Rotated | Transition::Forgiven | Transition::Replayed => {
                if transition != Transition::Replayed {
                    family.session.last_used = Duration::from_millis(now);
                    family.session.expires = Duration::from_millis(family.state.deadline());
                    family.session.client = presentation.client.kept();
                }
                return Presented::Accepted(Accepted {
                    transition,
                    session: family.session.clone(),
                    generation: family.state.generation,
                    key_id: family.state.key_id,
                    epoch: family.epoch,
                });
            }
        }
        let family = entry.remove();
        self.count.fetch_sub(1, Ordering::Relaxed);
        drop(families);
        if let Some(subject) = self.subjects.lock(&subject).entries.get_mut(&subject) {
            subject.sessions.retain(|session| *session != presentation.session);
        }
        if transition == Transition::Expired {
            return Presented::Unknown;
        }
        Presented::Reused(Box::new(Reuse {
            session: family.session,
            presenter: presentation.client.kept(),
            presented: generation,
            current: before.generation,
            since_rotation: Duration::from_millis(now.saturating_sub(before.rotated_at)),
        }))
    }

    pub(super) fn list(&self, subject: &str) -> Vec<Session> {
        let now = self.clock.now();
        let mut subjects = self.subjects.lock(subject);
        let Some(subject) = subjects.entries.get_mut(subject) else { return Vec::new() };
        let mut found = self.living(subject, now);
        found.sort_by_key(|session| std::cmp::Reverse((session.created, session.id)));
        found
    }

    pub(super) fn revoke(&self, revoke: &Revoke<'_>) -> u32 {
        let now = self.clock.now();
        let mut subjects = self.subjects.lock(revoke.subject);
        let until = now.saturating_add(millis(revoke.access));
        let found = subjects.entries.get_mut(revoke.subject);
        let keep = match revoke.which {
            Which::One(session) => {
                return found.map_or(0, |subject| self.end(subject, until, |own| own == session));
            }
            Which::AllBut(session) => {
                return found.map_or(0, |subject| self.end(subject, until, |own| own != session));
            }
            Which::All => now.saturating_add(millis(revoke.absolute)),
        };
        let subject = subjects.entries.entry(revoke.subject.into()).or_default();
        let epoch = subject.epoch.unwrap_or(self.origin).saturating_add(1).max(now);
        subject.epoch = Some(epoch);
        subject.until = subject.until.max(keep.saturating_add(millis(revoke.access)));
        self.revocations.record(&Revoked::Subject {
            subject: revoke.subject,
            epoch,
            until: secs(subject.until),
        });
        let mut ended = 0;
        for session in subject.sessions.drain(..) {
            ended += u32::from(self.remove(session).is_some());
        }
        ended
    }

    pub(super) fn revoke_token(&self, id: &str, until: u64) {
        self.revocations.record(&Revoked::Token { id, until });
    }

    /// Ends sessions of a subject.
    fn end(&self, subject: &mut Subject, until: u64, which: impl Fn(SessionId) -> bool) -> u32 {
        let mut ended = 0;
        subject.sessions.retain(|session| {
            if !which(*session) {
                return true;
            }
            self.revocations.record(&Revoked::Session { id: *session, until: secs(until) });
            ended += u32::from(self.remove(*session).is_some());
            false
        });
        ended
    }

    /// Ends those sessions that were not used for the longest time, if a further one would be too
    /// many.
    fn make_room(&self, subject: &mut Subject, opening: &Opening<'_>, now: u64) {
        let most = usize::try_from(opening.max_sessions.get()).unwrap_or(usize::MAX);
        if subject.sessions.len() < most {
            return;
        }
        let mut living = self.living(subject, now);
        living.sort_by_key(|session| session.last_used);
        let until = now.saturating_add(millis(opening.access));
        let excess = (living.len() + 1).saturating_sub(most);
        for session in living.iter().take(excess) {
            self.end(subject, until, |own| own == session.id);
        }
    }

    /// The sessions of a subject that have not expired. The others are removed.
    fn living(&self, subject: &mut Subject, now: u64) -> Vec<Session> {
        let mut living = Vec::new();
        self.prune(subject, now, |session| living.push(session.clone()));
        living
    }

    /// Removes the expired sessions of a subject, and shows the others.
    fn prune(&self, subject: &mut Subject, now: u64, mut show: impl FnMut(&Session)) {
        subject.sessions.retain(|session| {
            let mut families = self.families.lock(session);
            let Entry::Occupied(entry) = families.entries.entry(*session) else { return false };
            let lives = now < entry.get().state.deadline();
            if lives {
                show(&entry.get().session);
            } else {
                entry.remove();
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            lives
        });
    }

    fn remove(&self, session: SessionId) -> Option<Family> {
        let removed = self.families.lock(&session).entries.remove(&session);
        self.count.fetch_sub(usize::from(removed.is_some()), Ordering::Relaxed);
        removed
    }

    /// Whether there is room for a new session, after a sweep of its shard if one is due.
    fn has_room(&self, session: SessionId, now: u64) -> bool {
        let has_room = || self.count.load(Ordering::Relaxed) < self.capacity;
        let mut families = self.families.lock(&session);
        let swept = families.sweep(now, has_room(), |family| now >= family.state.deadline());
        self.count.fetch_sub(swept, Ordering::Relaxed);
        has_room()
    }
}

/// Seconds, rounded up: what is kept, is kept for at least as long.
fn secs(millis: u64) -> u64 {
    millis.div_ceil(1000)
}
