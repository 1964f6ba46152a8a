//! Real servers.

mod api_keys;
mod lockout;
mod one_time;
mod sessions;
#[cfg(feature = "smtp")]
mod smtp;
