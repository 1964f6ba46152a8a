//! HTTP over real sockets, and processes that serve it.
//!
//! This module uses real time. Do not use it with tokio's clock paused: every timeout would expire
//! at once. The timeouts only end broken tests; a passing test never waits for one.
//!
//! ```
//! use hardpoint_testkit::{http::{Client, serve}, spy::Spy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (spy, handle) = Spy::new();
//! let server = serve(spy).await;
//!
//! let reply = Client::new().get(server.url("/hello?x=1")).await;
//! assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok"));
//! assert_eq!(handle.seen()[0].uri.path(), "/hello");
//! # }
//! ```

mod client;
mod process;
mod server;

pub use self::{
    client::{Client, Reply, raw},
    process::Process,
    server::{Server, serve},
};
