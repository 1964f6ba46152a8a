//! Hashing, verifying, and what each takes.

mod hasher;
mod imported;
mod peppers;
mod queueing;

use hardpoint_core::{Key, Secret};

use super::*;

fn secret(text: &str) -> Secret<str> {
    Secret::from(text)
}

fn client(name: &str) -> PasswordClient {
    PasswordClient::new(&Key::borrowed(name.as_bytes()))
}

/// A hasher of one arena that is fast enough for a test that hashes often.
fn fast() -> PasswordHasherBuilder {
    PasswordHasher::builder().profile(Argon2Profile::insecure_fast()).arenas(1)
}

/// Whether the password matches.
async fn matches(hasher: &PasswordHasher, stored: Option<&PasswordHash>, password: &str) -> bool {
    match hasher.verify(client("a"), stored, secret(password)).await {
        Ok(_) => true,
        Err(PasswordError::Mismatch) => false,
        Err(error) => panic!("{error}"),
    }
}
