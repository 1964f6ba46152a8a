//! What every benchmark of the workspace is made of: load, measuring, and one way to report.
//!
//! It is never published. It measures *beside* something: a figure alone says more about the machine
//! than about the code, so every row has a peer, a floor or a goal, and the two sides of a ratio are
//! taken from the same run in alternating order.
//!
//! # Concepts
//!
//! | module | what it is for |
//! |---|---|
//! | [`load`] | which key comes next: one hot key, uniform, Zipf, a flood |
//! | [`keys`], [`tokens`] | what is asked about |
//! | [`exchange`] | one request through a service, in process and without a runtime |
//! | [`measure`] | contenders, warm-up, alternating samples |
//! | [`stats`] | median, least and most, ratios pair by pair |
//! | [`memory`] | allocations of an operation, memory of the process |
//! | [`threads`] | the same work on several threads at once |
//! | [`report`] | the table, the JSON and the plot |
//!
//! There are no features. The minimum supported Rust version is 1.95.

#![expect(clippy::missing_panics_doc, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

pub mod exchange;
pub mod keys;
pub mod load;
pub mod measure;
pub mod memory;
pub mod report;
pub mod stats;
pub mod threads;
pub mod tokens;
