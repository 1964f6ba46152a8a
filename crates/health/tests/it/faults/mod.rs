//! Real servers on real sockets. Waits for events; the few durations are deadlines under test.

#[cfg(feature = "serve")]
mod admin;
mod builtin;
mod checks;
mod drain;
#[cfg(all(feature = "axum", unix))]
mod exit;
#[cfg(all(feature = "grpc", feature = "tonic"))]
mod grpc;
#[cfg(all(feature = "axum", feature = "hyper"))]
mod serve;
#[cfg(unix)]
mod signals;
#[cfg(all(feature = "serve", unix))]
mod stopped;
#[cfg(all(feature = "axum", feature = "tls"))]
mod tls;
#[cfg(all(feature = "axum", feature = "tonic"))]
mod tonic;
