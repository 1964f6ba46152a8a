//! The state of limits in Redis or Valkey, for the instances of a service to share.
//!
//! Behind a balancer over `n` processes, a client of limits in memory gets `n` times the quota, and
//! a restart gives everyone a full bucket. A [`RedisStore`] keeps the buckets on a server.
//!
//! # Example
//! ```no_run
//! use hardpoint_core::{ClientResolver, Secret};
//! use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key, redis::RedisStore};
//! use hardpoint_redis::{DigestKey, Redis};
//!
//! # fn example(secret: &Secret<[u8]>) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").build()?;
//! let digests = DigestKey::derive(secret)?;
//! let client = key::client_network(ClientResolver::direct());
//! let limiter = RateLimiter::builder()
//!     .policy(Policy::new("client", Quota::per_second(20).burst(40), client))
//!     .store(RedisStore::new(&redis, &digests)) // without this line: this process
//!     .build()?;
//! # let _ = limiter;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The limit is exact for the fleet: a key consumes at most `burst + rate × t` cells in any span
//!    `t`, whichever instances it asks.
//! 2. One call of a script decides many requests, in the order of their arrival, each of them under
//!    all of its policies or under none. While a call is under way, requests wait for the next one.
//!    The next call begins when the first one ends, or beside it as soon as it is full: with 64
//!    buckets, or a third of those that wait or are under way if that is more. Equal requests for
//!    one bucket cost the server as much as one.
//! 3. The server's clock decides. If it is stepped back, a key owes at most a whole bucket; if it is
//!    stepped ahead, buckets fill early.
//! 4. A refused key is refused by this process until it has a cell again, for one second at most.
//!    After a reset, a refund or a larger quota on *another* instance, refusals may therefore be up
//!    to a second late. A policy that holds cells is not cached.
//! 5. A request waits for at most two deadlines of the link: its call begins within the first and
//!    ends within the second. If more keys arrive than the server can decide, so that calls before
//!    its own take longer than a deadline, the store gives it up when a call under way ends. Then,
//!    and at once while the link is down or 16,384 requests wait, its policies'
//!    [`OnFailure`](crate::OnFailure) decide. A call that may have reached the server is never
//!    repeated, so cells may be consumed for a request that was decided without the server.
//! 6. With [`OnFailure::Local`](crate::OnFailure::Local), this process starts from the debt that it
//!    last saw of each key.
//! 7. [`Settlements`](crate::Settlement) travel with the next call. While the link is down, up to
//!    4,096 wait for it, and then fill the room in calls that requests have left. A settlement that is lost is reported, and its cells become charged within
//!    [one to two minutes](crate::gcra::HOLD_TIMEOUT).
//!
//! # Sharing
//! Limiters with the same server, database, prefix and digest key share the buckets of policies of
//! one name, in one process or in many. A clone of a store also shares its calls.
//!
//! # Cancellation
//! A request is on its way to the server when it is asked about: dropping its future gives up the
//! answer, never the command.
//!
//! # Deployment caveats
//! - Each key is one string of 14 bytes (39 if its cells may be held), about 200 bytes of the
//!   server's memory in all, and expires two to three seconds after its bucket is full (three minutes
//!   if it may be held). A key that the server evicts starts with a full bucket. Give limits a
//!   `maxmemory` of their own or a `volatile-` policy.
//! - Redis 6.0 or newer, or Valkey. On a cluster, the keys of a call must share a slot, so a store
//!   needs a [`common_tag`](RedisStoreBuilder::common_tag). Without it the limiter is not built; if
//!   the link was not up yet (see [`Redis::up`](hardpoint_redis::Redis::up)), the policies'
//!   [`OnFailure`](crate::OnFailure) decide every request.
//! - The user needs `EVALSHA`, `SCRIPT LOAD`, `TIME`, `MGET`, `SET` and `DEL`.
//! - The names of keys contain the policy's name and a keyed digest of the key: no address, no name.
//!   A new digest key starts all limits over.

mod call;
mod deny_cache;
mod failure;
mod home;
mod landing;
mod names;
mod queue;
mod store;
mod wire;

use self::names::{Bucket, Names};
pub use self::store::{RedisStore, RedisStoreBuilder};
