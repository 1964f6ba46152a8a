//! The behaviour of the record layer and of the log, from outside.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod access;
mod alloc;
#[cfg(feature = "axum")]
mod axum;
mod cancellation;
#[cfg(feature = "test")]
mod captured;
mod contract;
mod files;
mod filter;
mod grpc;
mod harness;
mod ids;
mod labels;
mod lines;
mod metrics;
mod metrics_events;
mod metrics_http;
mod metrics_operations;
mod metrics_oracles;
#[cfg(feature = "opentelemetry_0_33")]
mod opentelemetry_0_33;
#[cfg(feature = "otlp")]
mod otlp;
mod outgoing;
mod process;
mod query;
mod redaction;
mod redaction_corpus;
mod rejected;
#[cfg(feature = "reqwest")]
mod reqwest;
mod sampled;
mod server;
#[cfg(feature = "axum")]
mod streams;
mod w3c;
