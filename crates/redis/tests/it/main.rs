//! The link against real servers.

mod commands;
