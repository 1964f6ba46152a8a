//! Real servers.

mod sessions;
