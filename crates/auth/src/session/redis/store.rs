//! The store, and its setup.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Key, Time, event::StoreErrorKind};
use hardpoint_redis::{Arg, Concept, DigestKey, Redis, Script, Value, WhenFull};

use super::{follow, scripts};
use crate::{
    ConfigError, RevocationState, Revocations, Revoked, VerifiedToken,
    session::{
        Accepted, AfterGrace, BoxFuture, FamilyStore, Opened, Opening, Presentation, Presented,
        Reuse, Revoke, Session, SessionStore, StoreError, Transition, Which, family::millis,
    },
    store::redis::{Fields, answer, corrupt, int},
};

/// Sessions on a Redis server. Set up by [`builder`](Self::builder).
pub struct RedisSessions {
    pub(super) redis: Redis,
    digests: DigestKey,
    previous: Option<DigestKey>,
    /// The keys of the origin, the log, the live revocations and the number of the last log entry, and the
    /// heads of the keys of families, of subjects' sessions and of subjects' epochs.
    pub(super) names: [String; 7],
    revocations: Revocations,
    allows_eviction: bool,
}

debug_only!(RedisSessions { revocations, allows_eviction });

/// Sets up [`RedisSessions`].
///
/// Defaults: 5 s of staleness, no eviction, the system's time.
#[must_use]
pub struct RedisSessionsBuilder {
    redis: Redis,
    digests: DigestKey,
    previous: Option<DigestKey>,
    max_staleness: Duration,
    allows_eviction: bool,
    time: Time,
}

debug_only!(RedisSessionsBuilder { max_staleness, allows_eviction });

impl RedisSessionsBuilder {
    /// Also finds keys of this earlier digest key, for example after the root secret was replaced
    /// from which it is derived, and moves them to the present key. Default: none.
    pub fn previous(mut self, digests: DigestKey) -> Self {
        self.previous = Some(digests);
        self
    }

    /// How old this process's copy of the revocations may be. Default: 5 s. The server is asked five
    /// times in this time, on a connection that otherwise waits for news.
    ///
    /// News arrive within milliseconds; this bound matters only while the server does not answer. A
    /// shorter one makes an outage visible sooner. With less than a few of the link's deadlines a
    /// slow answer is enough to make the copy stale.
    pub fn max_staleness(mut self, most: Duration) -> Self {
        self.max_staleness = most;
        self
    }

    /// Opens sessions on a server that evicts keys when its memory is full. Default: refused with
    /// 503, since such a server can forget that a session was revoked.
    pub fn dangerous_allow_eviction(mut self) -> Self {
        self.allows_eviction = true;
        self
    }

    /// Reads the age of the copy from this handle. Default: the system's clocks.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// The store. A task follows the server's revocations until the last handle to the store is
    /// dropped. The server need not be reachable yet.
    ///
    /// # Errors
    /// [`ConfigError::NoRuntime`] outside of a tokio runtime.
    pub fn start(self) -> Result<SessionStore, ConfigError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let revocations = Revocations::remote(self.time.clone(), self.max_staleness);
        let store = Arc::new(RedisSessions {
            names: names(&self.redis),
            redis: self.redis,
            digests: self.digests,
            previous: self.previous,
            revocations,
            allows_eviction: self.allows_eviction,
        });
        runtime.spawn(follow::follow(Arc::downgrade(&store), self.time, self.max_staleness / 5));
        Ok(SessionStore::remote(store))
    }
}

const TAG: &str = "s";
const SESSIONS: Concept = Concept::expiring("session").loss("users have to log in again");
const REVOCATIONS: Concept = Concept::lasting("revocation")
    .loss("what was revoked is forgotten, and all users have to log in again");
const EPOCHS: Concept =
    Concept::expiring("epoch").loss("the access tokens of a user are not known until they expire");

fn names(redis: &Redis) -> [String; 7] {
    let (sessions, revocations) = (redis.keys(&SESSIONS), redis.keys(&REVOCATIONS));
    [
        revocations.key(TAG, "origin"),
        revocations.key(TAG, "log"),
        revocations.key(TAG, "live"),
        revocations.key(TAG, "number"),
        sessions.key(TAG, "f:"),
        sessions.key(TAG, "u:"),
        redis.keys(&EPOCHS).key(TAG, ""),
    ]
}

impl RedisSessions {
    /// A store on this server. Subjects are digested with `digests`, which must be the same on every
    /// instance, before they become parts of keys.
    pub fn builder(redis: Redis, digests: DigestKey) -> RedisSessionsBuilder {
        RedisSessionsBuilder {
            redis,
            digests,
            previous: None,
            max_staleness: Duration::from_secs(5),
            allows_eviction: false,
            time: Time::system(),
        }
    }

    /// Submits a script, and reads its answer.
    pub(super) fn run<T>(
        &self,
        script: &Script,
        arguments: &[Arg<'_>],
        read: impl FnOnce(Value) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<T> {
        answer(self.redis.run(script, &self.names, arguments.iter().copied()), read)
    }

    /// The digest of a subject, and the one under the earlier key; empty if there is none.
    fn digests_of(&self, subject: &str) -> [String; 2] {
        let subject = Key::borrowed(subject.as_bytes());
        let digest = |key: &DigestKey| format!("{:032x}", key.digest(&subject));
        [digest(&self.digests), self.previous.as_ref().map(digest).unwrap_or_default()]
    }

    /// Why the server may forget what is revoked.
    fn eviction(&self) -> Option<&'static str> {
        let loss = |concept| match self.redis.when_full(concept) {
            Some(WhenFull::Evicts(loss)) => Some(loss),
            _ => None,
        };
        [&REVOCATIONS, &EPOCHS].into_iter().find_map(loss)
    }
}

impl FamilyStore for RedisSessions {
    fn open(&self, opening: &Opening<'_>) -> BoxFuture<Opened> {
        if let Some(loss) = self.eviction().filter(|_| !self.allows_eviction) {
            let why = format!(
                "the server evicts keys when its memory is full, and then {loss}; set \
                 maxmemory-policy to noeviction, or call dangerous_allow_eviction()"
            );
            tracing::error!(target: "hardpoint::auth::session", "{why}");
            let error = StoreError::new(StoreErrorKind::Unavailable).with_source(why);
            return Box::pin(std::future::ready(Err(error)));
        }
        let [digest, former] = self.digests_of(opening.subject);
        let id = opening.session.to_string();
        let replaced = opening.replaces.map(|id| id.to_string()).unwrap_or_default();
        let network = opening.client.network().unwrap_or_default();
        let arguments = [
            Arg::from(&id),
            opening.subject.into(),
            int(millis(opening.absolute)),
            int(millis(opening.access)),
            opening.max_sessions.get().into(),
            (&replaced).into(),
            int(millis(opening.rotation.idle)),
            (&opening.proof).into(),
            opening.key_id.into(),
            (&digest).into(),
            (&former).into(),
            opening.scope.into(),
            opening.method.into(),
            opening.client.agent().unwrap_or_default().into(),
            (&network).into(),
        ];
        let (copy, subject) = (self.revocations.clone(), opening.subject.to_owned());
        self.run(&scripts::OPEN, &arguments, move |answer| {
            let mut fields = Fields::read(answer)?;
            let origin = fields.number()?;
            let opened = Opened { epoch: fields.number()?, at: fields.number()? };
            copy.began(origin);
            if opened.epoch != origin {
                copy.record(&Revoked::Subject {
                    subject: &subject,
                    epoch: opened.epoch,
                    until: fields.number()?,
                });
            }
            Ok(opened)
        })
    }

    fn present(&self, presentation: &Presentation<'_>) -> BoxFuture<Presented> {
        let session = presentation.session;
        let id = session.to_string();
        let rotation = &presentation.rotation;
        let per_day = match rotation.after_grace {
            AfterGrace::Strict => 0,
            AfterGrace::BranchKill { per_day } => per_day.get(),
        };
        let network = presentation.client.network().unwrap_or_default();
        let arguments = [
            Arg::from(&id),
            int(presentation.generation),
            (&presentation.proof).into(),
            presentation.key_id.into(),
            int(millis(rotation.grace)),
            int(millis(rotation.idle)),
            int(millis(presentation.access)),
            per_day.into(),
            presentation.client.agent().unwrap_or_default().into(),
            (&network).into(),
        ];
        let (copy, presenter) = (self.revocations.clone(), presentation.client.kept());
        let presented = presentation.generation;
        self.run(&scripts::PRESENT, &arguments, move |answer| {
            let mut fields = Fields::read(answer)?;
            let transition = match fields.text()?.as_str() {
                "expired" | "unknown" => return Ok(Presented::Unknown),
                "rolled_back" => return Ok(Presented::RolledBack),
                "forgiven" => Transition::Forgiven,
                "replayed" => Transition::Replayed,
                "reused" => Transition::Reused,
                "rotated" => Transition::Rotated,
                _ => return Err(corrupt()),
            };
            copy.began(fields.number()?);
            let (epoch, generation) = (fields.number()?, fields.number()?);
            let key_id = u32::try_from(fields.number()?).map_err(|_| corrupt())?;
            let session = fields.session(session)?;
            let (since, until) = (fields.number()?, fields.number()?);
            if transition == Transition::Reused {
                copy.record(&Revoked::Session { id: session.id, until });
                return Ok(Presented::Reused(Box::new(Reuse {
                    session,
                    presenter,
                    presented,
                    current: generation,
                    since_rotation: Duration::from_millis(since),
                })));
            }
            Ok(Presented::Accepted(Accepted { transition, session, generation, key_id, epoch }))
        })
    }

    fn list(&self, subject: &str) -> BoxFuture<Vec<Session>> {
        let digests = self.digests_of(subject);
        self.run(&scripts::LIST, &digests.each_ref().map(Arg::from), |answer| {
            let (mut fields, mut found) = (Fields::read(answer)?, Vec::new());
            while !fields.is_empty() {
                let mut session = fields.list()?;
                let id = session.id()?;
                found.push(session.session(id)?);
            }
            found.sort_by_key(|session| std::cmp::Reverse((session.created, session.id)));
            Ok(found)
        })
    }

    fn revoke(&self, revoke: &Revoke<'_>) -> BoxFuture<u32> {
        let [digest, former] = self.digests_of(revoke.subject);
        let (which, id) = match revoke.which {
            Which::All => ("all", String::new()),
            Which::AllBut(id) => ("others", id.to_string()),
            Which::One(id) => ("one", id.to_string()),
        };
        let arguments = [
            Arg::from(which),
            (&id).into(),
            int(millis(revoke.access)),
            int(millis(revoke.absolute)),
            revoke.subject.into(),
            (&digest).into(),
            (&former).into(),
        ];
        let (copy, subject) = (self.revocations.clone(), revoke.subject.to_owned());
        self.run(&scripts::REVOKE, &arguments, move |answer| {
            let mut fields = Fields::read(answer)?;
            copy.began(fields.number()?);
            let (epoch, until, count) = (fields.number()?, fields.number()?, fields.number()?);
            if epoch != 0 {
                copy.record(&Revoked::Subject { subject: &subject, epoch, until });
            }
            let mut ended = fields.list()?;
            while !ended.is_empty() {
                copy.record(&Revoked::Session { id: ended.id()?, until });
            }
            u32::try_from(count).map_err(|_| corrupt())
        })
    }

    fn revoke_token(&self, id: &str, until: u64) -> BoxFuture<()> {
        let until = until.min(LATEST);
        let arguments = [Arg::from(id), int(until)];
        let (copy, id) = (self.revocations.clone(), id.to_owned());
        self.run(&scripts::REVOKE_TOKEN, &arguments, move |_| {
            copy.record(&Revoked::Token { id: &id, until });
            Ok(())
        })
    }

    fn ask(&self, token: &VerifiedToken) -> BoxFuture<RevocationState> {
        let [digest, former] = self.digests_of(token.subject());
        let (session, id) = (token.session_id(), token.token_id());
        let arguments = [&digest, &former, session.unwrap_or_default(), id.unwrap_or_default()];
        let epoch = token.epoch();
        self.run(&scripts::ASK, &arguments.map(Arg::from), move |answer| {
            let mut fields = Fields::read(answer)?;
            let (origin, least, listed) = (fields.number()?, fields.text()?, fields.text()?);
            if !listed.is_empty() {
                return Ok(RevocationState::Revoked);
            }
            let least = match least.as_str() {
                "" => None,
                least => Some(least.parse().map_err(|_| corrupt())?),
            };
            Ok(RevocationState::by_epoch(epoch, least, origin))
        })
    }

    fn revocations(&self) -> &Revocations {
        &self.revocations
    }
}

/// The end of the year 9999: the server writes a greater score as a fraction, which nothing reads.
const LATEST: u64 = 253_402_300_799;
