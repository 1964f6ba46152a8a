//! One link to Redis or Valkey that never hangs a request.
//!
//! Services keep the state that instances share on a server: limits, sessions, accounts. The usual
//! clients let requests wait for reconnects, and keep a connection on which nothing has arrived for
//! minutes. This link answers every command by its deadline, and while the server is away it answers
//! at once.
//!
//! It does *not* pool connections, talk to a cluster or ask sentinels, and it has no functions for
//! single commands.
//!
//! # Quick start
//!
//! ```no_run
//! use hardpoint_redis::{Concept, Redis, Script};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").prefix("shop").build()?;
//!
//! // prefix:v1:concept:{tag}:rest
//! let carts = redis.keys(&Concept::expiring("cart", "a customer finds an empty cart"));
//! let key = carts.key("c17", "items");
//! redis.send("SET", [key.as_str(), "3", "EX", "3600"]).await?;
//!
//! let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
//! let items = redis.run(&add, [&key], [2_i64]).await?.into_int()?;
//! assert_eq!(items, 5);
//! # Ok(())
//! # }
//! ```

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
