//! Sessions on a Redis server, which the instances of a service share.
//!
//! ```no_run
//! use hardpoint_auth::session::{SessionStore, redis::RedisSessions};
//! use hardpoint_core::Secret;
//! use hardpoint_redis::{DigestKey, Redis};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").build()?;
//! let digests = DigestKey::derive(&Secret::from(vec![7; 32]))?; // the same on every instance
//! let store: SessionStore = RedisSessions::builder(redis, digests).start()?;
//! # let _ = store;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Every command is one script, by the clock of the server, in one round trip. A session is one
//!    key, and its loss means that the user logs in again.
//! 2. A revocation is recorded in this process before the command's answer is returned. The server
//!    keeps it with the time at which it may be forgotten, and appends it to a log of about 10,000
//!    entries. Every instance follows the log on a connection of its own.
//! 3. Log entries are numbered. An instance that misses a number, and every instance after a failed
//!    connection, reads all live revocations again. It only adds what it reads.
//! 4. The copy of an instance is as old as its last question whose answer was complete. It is stale
//!    after [`max_staleness`](RedisSessionsBuilder::max_staleness), and a server that lost its state
//!    is noticed by its new origin.
//! 5. A server that evicts keys when its memory is full opens no session, since it could forget what
//!    is revoked: see
//!    [`dangerous_allow_eviction`](RedisSessionsBuilder::dangerous_allow_eviction).
//!
//! # Deployment caveats
//! - All keys have one hash tag, so a cluster keeps them on one node.
//! - A replica that is promoted while it is behind forgets the last rotations and revocations. A
//!   client with a newer token than the server is refused
//!   ([`SessionError::RolledBack`](super::SessionError::RolledBack)); instances that knew a
//!   revocation still refuse.
//! - With another digest key the server no longer finds the sessions of a subject, and cannot end
//!   them. If the key changes with the root secret, pass the earlier one to
//!   [`previous`](RedisSessionsBuilder::previous) until its last session has ended.

mod follow;
mod scripts;
mod store;

pub use self::store::{RedisSessions, RedisSessionsBuilder};
