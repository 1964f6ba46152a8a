//! One-time tokens on a Redis server that the instances of a service share.
//!
//! ```no_run
//! use hardpoint_auth::one_time::{TokenStore, redis::RedisTokens};
//! use hardpoint_core::Secret;
//! use hardpoint_redis::{DigestKey, Redis};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").build()?;
//! let digests = DigestKey::derive(&Secret::from(vec![7; 32]))?; // the same on every instance
//! let store: TokenStore = RedisTokens::new(&redis, &digests).into();
//! # let _ = store;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Every command is one script and one round trip, and uses the server's clock.
//! 2. A token is one hash that expires with it. The server stores its subject and data in clear,
//!    but not its secret.
//!
//! # Deployment caveats
//! - All keys have one hash tag, so a cluster keeps them on one node.
//! - A lagging replica that is promoted may restore a token that was consumed moments before. Bind
//!   tokens to a state that consuming them changes.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use hardpoint_core::Key;
use hardpoint_redis::{Arg, Concept, DigestKey, Keys, Redis, Script, Value};

use super::{Found, Put, RemoteTokens, Request, Slot, Taken, TokenStore};
use crate::store::{
    BoxFuture, StoreError, millis,
    redis::{Fields, answer, corrupt, failed, int, script},
};

const TOKENS: Concept = Concept::expiring("one_time").loss("users have to request another message");
const TAG: &str = "o";

static ADMIT: LazyLock<Script> =
    script!("../../store/lua/time.lua", "../../store/lua/pace.lua", "lua/admit.lua");
static PUT: LazyLock<Script> = script!("../../store/lua/time.lua", "lua/put.lua");
static FIND: LazyLock<Script> = script!("lua/find.lua");
static TAKE: LazyLock<Script> = script!("lua/take.lua");
static GUESS: LazyLock<Script> = script!("lua/guess.lua");

/// One-time tokens on a Redis server.
pub struct RedisTokens {
    redis: Redis,
    digests: DigestKey,
    keys: Keys,
}

debug_only!(RedisTokens { redis });

impl RedisTokens {
    /// A store on this server. Recipients and networks are digested with `digests`, which must be the
    /// same on every instance, before they become parts of keys.
    #[must_use]
    pub fn new(redis: &Redis, digests: &DigestKey) -> Self {
        Self { redis: redis.clone(), digests: digests.clone(), keys: redis.keys(&TOKENS) }
    }

    fn slot(&self, slot: &Slot) -> String {
        self.keys.key(TAG, &format!("t:{:032x}", u128::from_be_bytes(*slot)))
    }

    fn digested(&self, kind: char, what: &[u8]) -> String {
        let digest = self.digests.digest(&Key::borrowed(what));
        self.keys.key(TAG, &format!("{kind}:{digest:032x}"))
    }
}

impl From<RedisTokens> for TokenStore {
    fn from(tokens: RedisTokens) -> Self {
        Self::remote(Arc::new(tokens))
    }
}

impl RemoteTokens for RedisTokens {
    fn admit(&self, request: &Request<'_>) -> BoxFuture<Duration> {
        let Request { purpose, recipient, network, per_recipient, per_network } = *request;
        let recipient = self.digested('r', &[&[purpose.number()], recipient.as_bytes()].concat());
        let mut keys = vec![recipient];
        keys.extend(network.map(|network| self.digested('n', Key::address(network).as_bytes())));
        let rates = [per_recipient, per_network];
        let arguments = rates.into_iter().flat_map(|rate| [int(rate.interval), rate.burst.into()]);
        answer(self.redis.run(&ADMIT, &keys, arguments), |wait| {
            let wait = wait.into_int().map_err(failed)?;
            Ok(Duration::from_millis(u64::try_from(wait).map_err(|_| corrupt())?))
        })
    }

    fn put(&self, put: &Put<'_>) -> BoxFuture<()> {
        let slots = [put.slot].into_iter().chain(put.former);
        let keys: Vec<String> = slots.map(|slot| self.slot(slot)).collect();
        let arguments = [
            Arg::from(put.digest),
            put.proof.into(),
            put.subject.into(),
            put.data.into(),
            int(millis(put.lifetime)),
        ];
        answer(self.redis.run(&PUT, &keys, arguments), |_| Ok(()))
    }

    fn find(&self, slot: &Slot, digest: &[u8; 32]) -> BoxFuture<Option<Found>> {
        answer(self.redis.run(&FIND, [&self.slot(slot)], [digest]), |found| {
            let mut fields = Fields::read(found)?;
            if fields.is_empty() {
                return Ok(None);
            }
            Ok(Some(Found { subject: fields.text()?, data: fields.bytes()? }))
        })
    }

    fn take(&self, slot: &Slot, digest: &[u8; 32], proof: &[u8; 32]) -> BoxFuture<Taken> {
        answer(self.redis.run(&TAKE, [&self.slot(slot)], [digest, proof]), taken)
    }

    fn guess(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
        tries: u32,
    ) -> BoxFuture<Taken> {
        let arguments = [Arg::from(digest), proof.into(), tries.into()];
        answer(self.redis.run(&GUESS, [&self.slot(slot)], arguments), taken)
    }

    fn void(&self, slot: &Slot) -> BoxFuture<()> {
        answer(self.redis.send("DEL", [&self.slot(slot)]), |_| Ok(()))
    }
}

fn taken(answer: Value) -> Result<Taken, StoreError> {
    match answer.into_int().map_err(failed)? {
        0 => Ok(Taken::Unknown),
        1 => Ok(Taken::Consumed),
        2 => Ok(Taken::Void),
        _ => Err(corrupt()),
    }
}
