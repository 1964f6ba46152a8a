//! Real servers.

mod lockout;
mod sessions;
