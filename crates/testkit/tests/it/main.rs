//! The test equipment, tested: what it is meant to find, it finds.

mod contract;
mod http;
mod leak;
mod spy;
