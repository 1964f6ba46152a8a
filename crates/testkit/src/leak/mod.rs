//! Finding secrets where they must not be.
//!
//! A test puts secrets of its own making (*canaries*) into a system, collects all that comes out of
//! it, and wants none of them found in any form that somebody could turn back:
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
mod scanner;

#[cfg(unix)]
pub use self::memory::{mask, memory_contains, unmask};
pub use self::{
    logs::CapturedLogs,
    scanner::{Leak, LeakScanner},
};
