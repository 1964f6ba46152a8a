//! One record of each request, and logs fit for a machine.
//!
//! [`RecordLayer`] gives each request its ids and writes one access line about it when it is over,
//! however it ends; [`Logs`] writes that line, and every other one, as JSON or for people. This
//! crate has no metrics and exports no traces; it reads and writes files of no kind, and logs no
//! bodies, paths or queries, and of the headers the user agent and the request's ids alone.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_observability::{Logs, RecordLayer};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! type Body = Full<bytes::Bytes>;
//!
//! Logs::json("greeter").version(env!("CARGO_PKG_VERSION")).environment("prod").init()?;
//! let service = RecordLayer::new().layer(service_fn(async |_: Request<Body>| {
//!     tracing::info!("greeting"); // has the request's ids
//!     Ok::<_, BoxError>(Response::new(Body::from("hello")))
//! }));
//!
//! let response = service.oneshot(Request::new(Body::default())).await?;
//! assert_eq!(response.headers()["x-request-id"].len(), 36);
//! # Ok(())
//! # }
//! ```
//!
//! # Concepts
//!
//! | concept | module |
//! |---|---|
//! | request and trace ids, the access line | [`record`] |
//! | the form of log lines | [`logs`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the matched path of axum as the route of the record | no |
//!
//! The minimum supported Rust version is 1.95.

pub mod logs;
pub mod record;

pub use self::{
    logs::{ConfigError, Logs, LogsHandle},
    record::RecordLayer,
};
