//! One link to Redis or Valkey that never hangs a request.
//!
//! Services keep the state that their instances share on a server: limits, sessions, accounts. Most
//! clients let requests wait for a reconnect and keep using a connection on which nothing arrives
//! any more. This link ends every command by its deadline, and while the server is down it refuses
//! commands in less than 10 µs, so that the caller's failure policy decides at once.
//!
//! It does *not* pool connections, route commands to the nodes of a cluster or ask sentinels, and it
//! has no function for each command.
//!
//! # Quick start
//!
//! ```no_run
//! use hardpoint_redis::{Concept, Redis, Script};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").prefix("shop").build()?;
//!
//! // The key shop:v1:cart:{c17}:items
//! let carts = redis.keys(&Concept::expiring("cart").loss("a customer finds an empty cart"));
//! let key = carts.key("c17", "items");
//! redis.send("SET", [key.as_str(), "3", "EX", "3600"]).await?;
//!
//! let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
//! let items = redis.run(&add, [&key], [2_i64]).await?.into_int()?;
//! assert_eq!(items, 5);
//!
//! // A server that does not answer costs one deadline, then nothing.
//! if let Err(error) = redis.check().await {
//!     println!("{error}: {}", error.kind().as_str());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. [`Redis::run`] and [`Redis::send`] submit the command before they return. The [`Reply`] waits
//!    for the answer and a timer only, and ends within one deadline (25 ms by default).
//! 2. A command is sent at most once. If its deadline has passed before it could be sent, it is not
//!    sent at all. The link sends a script call again only if the server answers that it lacks the
//!    script, and so did not run it. [`Error::may_have_executed`] reports whether a command that
//!    failed may have had its effect.
//! 3. The link goes [`Down`](LinkState::Down) when a command stays unanswered for one deadline, and
//!    when a lost connection is not replaced within one deadline. While the link is down, commands
//!    are refused at once.
//! 4. A connection that is late is probed at once and then at most 500 ms apart. A probe that is
//!    answered within one deadline brings the link [`Up`](LinkState::Up). A late answer does not.
//! 5. A connection on which nothing arrives for eight deadlines, but at least 200 ms, is replaced. An
//!    idle connection is probed once a second, so the state is known even without commands.
//! 6. Attempts to connect begin at most 500 ms apart, unless the connect timeout is longer. Their
//!    pauses double from 10 to 400 ms and are shortened at random. Each attempt checks that the
//!    server serves commands, and loads the scripts.
//! 7. An error that concerns one command, such as a wrong type under a key, a command that the ACL
//!    forbids or a write while memory is full, fails this command and leaves the link up.
//! 8. A connection is lost when it ends, and when the server refuses every command: because it loads
//!    its data, is a replica, runs an endless script, or cannot persist. For one deadline the link is
//!    [`Connecting`](LinkState::Connecting) again: a server that restarts within it fails only the
//!    commands that were in flight. Commands that are submitted then, or before the first attempt to
//!    connect has ended, wait in the queue, within their deadlines.
//!
//! # Sharing
//! Clones of a [`Redis`] share one connection, its queue and its state. A [`Tail`] has a connection
//! of its own.
//!
//! # Cancellation
//! Dropping a [`Reply`] gives up the answer; the command is sent all the same. Dropping the last
//! handle ends the link after the commands that were submitted.
//!
//! # Deployment caveats
//! - Answers arrive in the order of commands: one slow command delays all that follow it. Give a
//!   slow workload, such as a report, a link of its own.
//! - The link logs the state of the connection. Its messages and errors name the server, never the
//!   password.
//! - A server that evicts keys can lose state. The link reads the policy when it connects and warns
//!   about each [`Concept`] that the policy concerns. See also [`Redis::when_full`].
//! - The manual's page on Redis lists the commands that an ACL must allow, and what each failure
//!   looks like.
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `tls` | `rediss://`: TLS by rustls over aws-lc, trusting the system's certificates | no |
//!
//! The minimum supported Rust version is 1.95.

mod arg;
mod builder;
mod digest;
mod endpoint;
mod error;
mod link;
mod redis;
mod reply;
mod schema;
mod script;
mod tail;
mod value;

pub use self::{
    arg::Arg,
    builder::RedisBuilder,
    digest::DigestKey,
    error::{ConfigError, Error, ErrorKind},
    redis::Redis,
    reply::Reply,
    schema::{Concept, Keys, WhenFull},
    script::Script,
    tail::{Entry, Tail},
    value::Value,
};
#[doc(no_inline)]
pub use hardpoint_core::event::LinkState;
