//! HTTP over real sockets, and processes that serve it.
//!
//! Everything here takes real time: not for tests with tokio's clock paused, which would run into
//! every timeout at once. A timeout is how a broken test ends, never how a passing one does.
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
