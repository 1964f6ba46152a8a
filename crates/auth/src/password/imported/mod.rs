//! Hashes of other systems that are not Argon2: bcrypt, PBKDF2 and scrypt. They are verified and replaced;
//! none is ever made.

mod formats;
mod functions;

pub(super) use self::functions::{Imported, ImportedWork};
use super::{ParseHashError, PasswordHash, hash::Scheme};

impl PasswordHash {
    /// Reads a stored hash of this crate or of another system. Every row of a table with both may be
    /// read by it. Ignores line breaks at the end.
    ///
    /// | system | formats |
    /// |---|---|
    /// | all that [`parse`](Self::parse) reads | Argon2, Django's `argon2$…`, Keycloak's JSON with `argon2` |
    /// | crypt, PHP, most libraries | bcrypt: `$2a$…`, `$2b$…`, `$2y$…` |
    /// | Django | `pbkdf2_sha256$…`, `pbkdf2_sha1$…`, `bcrypt_sha256$…`, `bcrypt$…`, `scrypt$…` |
    /// | passlib | `$pbkdf2$…`, `$pbkdf2-sha256$…`, `$pbkdf2-sha512$…`, `$bcrypt-sha256$v=2,…`, `$scrypt$ln=…` |
    /// | PHC strings | `$pbkdf2-sha256$i=…`, `$pbkdf2-sha512$i=…`, `$scrypt$ln=…` |
    /// | Keycloak | JSON with `secretData` and `credentialData`: `pbkdf2`, `pbkdf2-sha256`, `pbkdf2-sha512` |
    ///
    /// bcrypt reads only the first 72 bytes of a password, so an imported hash matches every longer one
    /// that begins with them. The replacement is of the whole password that was typed first.
    ///
    /// # Errors
    /// [`ParseHashError`] if the text is none of these.
    pub fn parse_imported(text: &str) -> Result<Self, ParseHashError> {
        let argon2_or_json = Self::parse(text);
        if argon2_or_json.is_ok() || text.starts_with('{') {
            return argon2_or_json;
        }
        let hash = formats::parse(text.trim_end_matches(['\r', '\n']))?;
        Ok(Self::from_parts(text, Scheme::Imported(hash.into())))
    }
}
