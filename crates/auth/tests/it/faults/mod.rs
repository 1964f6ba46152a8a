//! Real servers.

mod lockout;
mod one_time;
mod sessions;
#[cfg(feature = "smtp")]
mod smtp;
