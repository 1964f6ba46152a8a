//! Private Redis and Valkey servers, and a network between them and their clients that fails on
//! request.

mod network;
mod server;

pub use self::{
    network::{Network, Weather},
    server::{RedisServer, RedisServerBuilder, Software},
};
