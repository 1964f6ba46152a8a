//! What attackers get from the password hasher, with real threads: memory, other users' turns, and the
//! time of an answer. And what another implementation makes of its hashes.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod argon2_cffi;
mod enumeration;
mod fairness;
mod memory;

use hardpoint_auth::password::PasswordClient;
use hardpoint_core::{Key, Secret};
use tokio::sync::Mutex;

/// Each measures the whole process, or needs all of its cores.
static ALONE: Mutex<()> = Mutex::const_new(());

fn client(name: &str) -> PasswordClient {
    PasswordClient::new(&Key::borrowed(name.as_bytes()))
}

fn secret(text: &str) -> Secret<str> {
    Secret::from(text)
}

fn soaks() -> bool {
    std::env::var_os("HARDPOINT_SOAK").is_some()
}
