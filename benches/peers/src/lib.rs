//! hardpoint beside its peers: the same question put to both, in one run.
//!
//! Each peer is set up as its own documentation says, with equal limits and equal expectations, and
//! pinned. `docs/BENCHMARKS.md` has the method and the results.
//!
//! There are no features. The minimum supported Rust version is 1.95.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::missing_panics_doc, reason = "a benchmark that cannot be set up has to stop")]

pub mod auth;
pub mod axum_pong;
pub mod growth;
pub mod guard;
pub mod metrics;
pub mod observability;
pub mod popular;
pub mod ratelimit;
pub mod resilience;
pub mod serve;
mod spans;
pub mod stack;

use hardpoint_bench_harness::report::Contest;

/// A contest's name, unique in its benchmark, and what sets it up when it is its turn.
pub type Named = (&'static str, fn() -> Contest<'static>);

/// The benchmarks, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// Access tokens.
    Auth,
    /// The whole stack, one layer at a time.
    Breakdown,
    /// Metrics.
    Metrics,
    /// Records and log lines.
    Observability,
    /// The limiter.
    Ratelimit,
    /// The policies of outgoing calls.
    Resilience,
    /// The server.
    Serve,
    /// The whole stack, in process.
    Whole,
}

impl Bench {
    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "auth" => Self::Auth,
            "breakdown" => Self::Breakdown,
            "metrics" => Self::Metrics,
            "observability" => Self::Observability,
            "ratelimit" => Self::Ratelimit,
            "resilience" => Self::Resilience,
            "serve" => Self::Serve,
            "whole" => Self::Whole,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Breakdown => "breakdown",
            Self::Metrics => "metrics",
            Self::Observability => "observability",
            Self::Ratelimit => "ratelimit",
            Self::Resilience => "resilience",
            Self::Serve => "serve",
            Self::Whole => "whole",
        }
    }

    /// What it compares.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Auth => {
                "Access tokens, beside jsonwebtoken 11.1 and oxitoken 0.1 (both aws-lc), moka 0.12.16 \
                 and jwt-authorizer 0.15"
            }
            Self::Breakdown => {
                "A request through the whole stack, one layer at a time: the peer is the step before"
            }
            Self::Metrics => {
                "Metrics, beside prometheus-client 0.26.0, metrics 0.24.6, metrics-exporter-prometheus \
                 0.18.3, axum-prometheus 0.10.1 and opentelemetry_sdk 0.33.1"
            }
            Self::Observability => {
                "Records and lines, beside tower-http 0.7.1, tracing-subscriber 0.3.23 and json-subscriber 0.3.1"
            }
            Self::Ratelimit => {
                "Rate limits, beside governor 0.10.4, throttled 0.1.0, tower_governor 0.8.0 and \
                 axum-governor 2.1.2"
            }
            Self::Resilience => {
                "Outgoing calls, beside tower 0.5.3, tower-resilience 0.14.0, failsafe 1.3.0 and \
                 recloser 1.4.0"
            }
            Self::Serve => "Requests on open connections, beside axum::serve of axum 0.8.9",
            Self::Whole => {
                "The whole stack in process, beside tower-http 0.7.1, jsonwebtoken 11.1, \
                 tower_governor 0.8.0, axum-prometheus 0.10.1 and tracing-subscriber 0.3.23"
            }
        }
    }

    /// What it measures, in the order of its table.
    #[must_use]
    pub fn contests(self) -> Vec<Named> {
        match self {
            Self::Auth => auth::contests(),
            Self::Breakdown => stack::steps(),
            Self::Metrics => metrics::contests(),
            Self::Observability => observability::contests(),
            Self::Ratelimit => ratelimit::contests(),
            Self::Resilience => resilience::contests(),
            Self::Serve => serve::contests(),
            Self::Whole => stack::contests(),
        }
    }
}
