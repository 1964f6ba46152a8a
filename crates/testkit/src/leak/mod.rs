//! Finds secrets where they must not be.
//!
//! A test puts its own secrets (*canaries*) into a system, collects all output, and asserts that
//! the output contains none of them, in plain or in an encoded form:
//!
//! ```
//! use hardpoint_testkit::leak::LeakScanner;
//!
//! let scanner = LeakScanner::new(["correct horse battery"]);
//! scanner.assert_clean("a log line", b"password=[redacted]");
//!
//! let leaks = scanner.scan("a header", b"Basic dXNlcjpjb3JyZWN0IGhvcnNlIGJhdHRlcnk=");
//! assert_eq!(leaks[0].to_string(), "a header holds canary 0 as base64");
//! ```

mod logs;
#[cfg(unix)]
mod memory;

pub use self::logs::CapturedLogs;
#[cfg(unix)]
pub use self::memory::{mask, memory_contains, unmask};
pub use hardpoint_core::test::{Leak, LeakScanner, json_line};
