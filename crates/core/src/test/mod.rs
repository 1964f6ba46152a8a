//! Finds secrets where they must not be, and reads log lines strictly, in the tests of a service.
//!
//! A test puts its own secrets (*canaries*) into a service, collects all output, and asserts that
//! the output contains none of them, in plain or in an encoded form:
//!
//! ```
//! use hardpoint_core::test::LeakScanner;
//!
//! let scanner = LeakScanner::new(["correct horse battery"]);
//! scanner.assert_clean("a log line", b"password=[redacted]");
//!
//! let leaks = scanner.scan("a header", b"Basic dXNlcjpjb3JyZWN0IGhvcnNlIGJhdHRlcnk=");
//! assert_eq!(leaks[0].to_string(), "a header holds canary 0 as base64");
//! ```

mod leak;
mod line;

pub use self::{
    leak::{Leak, LeakScanner},
    line::json_line,
};
