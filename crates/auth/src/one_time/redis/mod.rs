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
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use hardpoint_core::Key;
use hardpoint_redis::{Arg, Concept, DigestKey, Keys, Redis, Script, Value};

use super::{Found, Put, RemoteTokens, Request, Slot, Taken, TokenStore};
use crate::store::{BoxFuture, StoreError, corrupt, failed, millis};

const TOKENS: Concept = Concept::expiring("one_time").loss("users have to request another message");
const TAG: &str = "o";

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/prelude.lua"), include_str!($file)))
        });
    };
}

script!(ADMIT, "lua/admit.lua");
script!(PUT, "lua/put.lua");
script!(FIND, "lua/find.lua");
script!(TAKE, "lua/take.lua");
script!(GUESS, "lua/guess.lua");

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
        keys.extend(network.map(|network| match network {
            IpAddr::V4(address) => self.digested('n', &address.octets()),
            IpAddr::V6(address) => self.digested('n', &address.octets()),
        }));
        let rates = [per_recipient, per_network];
        let arguments = rates.into_iter().flat_map(|rate| [int(rate.interval), rate.burst.into()]);
        let reply = self.redis.run(&ADMIT, &keys, arguments);
        Box::pin(async move {
            let wait = reply.await.and_then(Value::into_int).map_err(failed)?;
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
        let reply = self.redis.run(&PUT, &keys, arguments);
        Box::pin(async move { reply.await.map(drop).map_err(failed) })
    }

    fn find(&self, slot: &Slot, digest: &[u8; 32]) -> BoxFuture<Option<Found>> {
        let reply = self.redis.run(&FIND, [&self.slot(slot)], [digest]);
        Box::pin(async move {
            let mut fields = reply.await.and_then(Value::into_array).map_err(failed)?.into_iter();
            let mut bytes = || fields.next().map(|value| value.into_bytes().map_err(failed));
            let (Some(subject), Some(data)) = (bytes(), bytes()) else { return Ok(None) };
            let subject = String::from_utf8(subject?.ok_or_else(corrupt)?);
            let subject = subject.map_err(|_| corrupt())?;
            Ok(Some(Found { subject, data: data?.ok_or_else(corrupt)? }))
        })
    }

    fn take(&self, slot: &Slot, digest: &[u8; 32], proof: &[u8; 32]) -> BoxFuture<Taken> {
        let reply = self.redis.run(&TAKE, [&self.slot(slot)], [digest, proof]);
        Box::pin(async move { taken(reply.await.map_err(failed)?) })
    }

    fn guess(
        &self,
        slot: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
        tries: u32,
    ) -> BoxFuture<Taken> {
        let arguments = [Arg::from(digest), proof.into(), tries.into()];
        let reply = self.redis.run(&GUESS, [&self.slot(slot)], arguments);
        Box::pin(async move { taken(reply.await.map_err(failed)?) })
    }

    fn void(&self, slot: &Slot) -> BoxFuture<()> {
        let reply = self.redis.send("DEL", [&self.slot(slot)]);
        Box::pin(async move { reply.await.map(drop).map_err(failed) })
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

/// A number of milliseconds, bounded so that Lua's numbers are exact.
fn int(millis: u64) -> Arg<'static> {
    const MOST: i64 = 1 << 50;

    Arg::Int(i64::try_from(millis).unwrap_or(MOST).min(MOST))
}
