//! Attempts on a Redis server that the instances of a service share.
//!
//! ```no_run
//! use hardpoint_auth::lockout::{AttemptStore, redis::RedisAttempts};
//! use hardpoint_core::Secret;
//! use hardpoint_redis::{DigestKey, Redis};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").build()?;
//! let digests = DigestKey::derive(&Secret::from(vec![7; 32]))?; // the same on every instance
//! let store: AttemptStore = RedisAttempts::new(&redis, &digests).into();
//! # let _ = store;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Every command is one script, by the clock of the server, in one round trip.
//! 2. A lane is one short string, a pace one number. Each expires when the passing of time makes it equal to
//!    that of a new key; a lane that reached its hard stop is kept for 90 days.
//! 3. The server sees digests only.
//!
//! # Deployment caveats
//! - All keys have one hash tag, so a cluster keeps them on one node.
//! - A server that evicts keys when its memory is full can forget failures and hard stops.
//! - With another digest key all counts start over.

use std::sync::{Arc, LazyLock};

use hardpoint_core::{Key, event::AttemptLane};
use hardpoint_redis::{Arg, Concept, DigestKey, Keys, Redis, Script, Value};

use super::{AttemptStore, Attempter, Denied, LaneLimits, Limits, RemoteAttempts, Settled, Ticket};
use crate::{
    rate::Rate,
    store::{
        BoxFuture, StoreError,
        redis::{Fields, answer, corrupt, failed, int, script},
    },
};

const ATTEMPTS: Concept = Concept::expiring("attempt").loss("an attacker gets new guesses");
const TAG: &str = "a";

static RESERVE: LazyLock<Script> = script!(
    "../../store/lua/time.lua",
    "../../store/lua/pace.lua",
    "lua/prelude.lua",
    "lua/reserve.lua"
);
static SETTLE: LazyLock<Script> = script!(
    "../../store/lua/time.lua",
    "../../store/lua/pace.lua",
    "lua/prelude.lua",
    "lua/settle.lua"
);
static UNLOCK: LazyLock<Script> = script!("lua/unlock.lua");

/// Attempts on a Redis server.
pub struct RedisAttempts {
    redis: Redis,
    digests: DigestKey,
    keys: Keys,
}

debug_only!(RedisAttempts { redis });

impl RedisAttempts {
    /// A store on this server. Accounts, devices and networks are digested with `digests`, which must
    /// be the same on every instance, before they become parts of keys.
    #[must_use]
    pub fn new(redis: &Redis, digests: &DigestKey) -> Self {
        Self { redis: redis.clone(), digests: digests.clone(), keys: redis.keys(&ATTEMPTS) }
    }

    /// The key of one account, device or network. The kinds differ in their first byte.
    fn key(&self, kind: u8, what: &[u8]) -> String {
        let digest = self.digests.digest(&Key::borrowed(&[&[kind], what].concat()));
        self.keys.key(TAG, &format!("{}:{digest:032x}", char::from(kind)))
    }

    /// The keys of an attempt: account, device, network, all, devices. Those that it does not have are those of
    /// all, so that a cluster finds every key in one slot.
    fn keys_of(&self, by: Attempter<'_>) -> [String; 5] {
        let all = || self.keys.key(TAG, "all");
        [
            self.key(b'u', by.account.as_bytes()),
            by.device.map_or_else(all, |device| self.key(b'd', device)),
            by.network.map_or_else(all, |network| self.key(b'n', Key::address(network).as_bytes())),
            all(),
            self.key(b'v', by.account.as_bytes()),
        ]
    }
}

impl From<RedisAttempts> for AttemptStore {
    fn from(attempts: RedisAttempts) -> Self {
        Self::remote(Arc::new(attempts))
    }
}

impl RemoteAttempts for RedisAttempts {
    fn reserve(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        jitter: u16,
    ) -> BoxFuture<Result<Ticket, Denied>> {
        let mut arguments =
            vec![Arg::from(u32::from(jitter)), Arg::Int(by.device.is_some().into())];
        for limits in [&limits.account, &limits.device, &limits.devices] {
            arguments.extend(lane_arguments(limits));
        }
        for rate in [limits.network.filter(|_| by.network.is_some()), limits.global] {
            arguments.extend([interval(rate), rate.map_or(0, |rate| rate.burst).into()]);
        }
        answer(self.redis.run(&RESERVE, &self.keys_of(by), arguments), reserved)
    }

    fn settle(
        &self,
        by: Attempter<'_>,
        limits: &Limits,
        ticket: Ticket,
        settled: Settled,
    ) -> BoxFuture<()> {
        let word = match settled {
            Settled::Failed => "failed",
            Settled::Succeeded => "succeeded",
            Settled::Unverified => "unverified",
        };
        let is_device = ticket.lane == AttemptLane::Device;
        let lane = if is_device { &limits.device } else { &limits.account };
        let taken =
            |rate: Option<Rate>, is_known: bool| interval(rate.filter(|_| is_known && !is_device));
        let mut arguments = vec![Arg::from(word), Arg::Int(is_device.into()), int(ticket.at)];
        arguments.extend(lane_arguments(lane));
        arguments.push(taken(limits.network, by.network.is_some()));
        arguments.push(taken(limits.global, true));
        arguments.extend(lane_arguments(&limits.devices));
        answer(self.redis.run(&SETTLE, &self.keys_of(by), arguments), |_| Ok(()))
    }

    fn unlock(&self, account: &str) -> BoxFuture<bool> {
        let keys = [b'u', b'v'].map(|kind| self.key(kind, account.as_bytes()));
        answer(self.redis.run(&UNLOCK, &keys, [""; 0]), |unlocked| {
            Ok(unlocked.into_int().map_err(failed)? == 1)
        })
    }
}

fn lane_arguments(limits: &LaneLimits) -> [Arg<'static>; 6] {
    [
        limits.free.into(),
        int(limits.first_delay),
        int(limits.longest_delay),
        limits.hard_stop.into(),
        int(limits.forget_after),
        int(limits.settle_within),
    ]
}

fn interval(rate: Option<Rate>) -> Arg<'static> {
    int(rate.map_or(0, |rate| rate.interval))
}

fn reserved(answer: Value) -> Result<Result<Ticket, Denied>, StoreError> {
    let mut fields = Fields::read(answer)?;
    let lane = match fields.text()?.as_str() {
        "account" => AttemptLane::Account,
        "device" => AttemptLane::Device,
        "global" => AttemptLane::Global,
        "network" => AttemptLane::Network,
        _ => return Err(corrupt()),
    };
    let (decision, time) = (fields.text()?, fields.number()?);
    let denied = |wait, is_busy| Ok(Err(Denied { lane, wait, is_busy }));
    match decision.as_str() {
        "admitted" => Ok(Ok(Ticket { lane, at: time })),
        "busy" => denied(Some(time), true),
        "locked" => denied(None, false),
        "wait" => denied(Some(time), false),
        _ => Err(corrupt()),
    }
}
