//! Faults of real servers and networks.
//!
//! Each test puts load on a link, causes a fault, waits for its effect, ends it, and checks that no
//! command hung, that few waited, that the link came back within a second, and that the server was
//! charged what the commands that succeeded cost, plus at most those whose end is unknown.

mod outages;
mod refusals;
mod reports;
mod start;
