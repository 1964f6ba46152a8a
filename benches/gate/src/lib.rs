//! The hot paths whose instructions are counted, and what compares the counts.
//!
//! Each scenario is one operation, ready to be run: whatever happens once (tables, keys, callsites,
//! caches of the thread) has happened by then. Time comes from a clock that stands still, and tokens
//! from a fixture, so that two runs execute the same instructions. `benches/gate.rs` counts them
//! under valgrind; the binary compares them with the baseline. `docs/BENCHMARKS.md` has the method.
//!
//! There are no features. The minimum supported Rust version is 1.95.

#![expect(clippy::expect_used, reason = "a scenario that cannot be set up has to stop")]
#![expect(clippy::missing_panics_doc, reason = "a scenario that cannot be set up has to stop")]

pub mod compare;
pub mod counts;
pub mod key;
pub mod scenario;
