//! Tokens that were verified before.

mod digest;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;

use self::{digest::Identity, table::Table};
use super::Verified;

/// How a verifier remembers tokens that it has verified. See
/// [`TokenVerifier::cache`](crate::TokenVerifier::cache).
///
/// # Semantics
/// 1. A token is known again only if every byte of it is the same.
/// 2. Only tokens that were accepted are kept: whoever sends garbage fills nothing.
/// 3. Each time it comes its times, its key and its revocation are asked anew. Rotating one key
///    forgets the tokens of that key alone.
/// 4. A spray of tokens that come once does not push out those that come again and again.
/// 5. Tokens above 4 KiB are not kept, nor are tokens signed with a secret (HS256 and its sisters): to
///    verify those takes one hash, as the digest does.
///
/// # What it keeps in memory
/// For each token its claims, as any handler has them while it runs; and to know it again,
/// [`full_token`](Self::full_token) the token itself, with which its bearer can be impersonated until
/// it expires, or [`digest`](Self::digest) its SHA-256, which is of no use to whoever reads the memory.
/// A token that is forgotten is wiped.
///
/// The default is `digest`: a core dump of a process that keeps it holds no tokens but those of
/// requests in flight. It costs one SHA-256 a request, half a microsecond for a token of 800 bytes,
/// where the signature that it saves takes 20 to 70. Take `full_token` where that half counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TokenCache {
    is_digest: bool,
    entries: usize,
    bytes: usize,
}

impl TokenCache {
    /// Knows tokens by their SHA-256.
    pub const fn digest() -> Self {
        Self { is_digest: true, entries: 10_000, bytes: 32 * 1024 * 1024 }
    }

    /// Knows tokens by themselves.
    pub const fn full_token() -> Self {
        Self { is_digest: false, ..Self::digest() }
    }

    /// How many tokens are kept at most. Default: 10 000, about 10 MiB of common tokens. It is rounded
    /// up to a multiple of 8, more than 2^24 is taken as that, and the table for it, about 20 bytes a
    /// token, is made at once. 0 keeps none.
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How much memory the tokens take at most, in bytes. Default: 32 MiB, which common tokens do not
    /// reach and 10 000 of the longest would. Each bucket of 8 tokens gets its equal share, but never
    /// less than its largest token takes; 0 keeps none.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::digest()
    }
}

/// The most tokens that are kept.
const MAX_ENTRIES: usize = 1 << 24;
/// The longest token that is kept, in bytes.
const MAX_TOKEN: usize = 4 * 1024;

/// The cache itself.
pub(super) struct Cache {
    settings: TokenCache,
    identity: Identity,
    table: Table,
}

impl Cache {
    pub(super) fn new(settings: TokenCache) -> Self {
        let entries = if settings.bytes == 0 { 0 } else { settings.entries.min(MAX_ENTRIES) };
        Self {
            settings,
            identity: Identity::new(settings.is_digest),
            table: Table::new(entries, settings.bytes),
        }
    }

    pub(super) const fn settings(&self) -> TokenCache {
        self.settings
    }

    /// A token that was accepted before.
    pub(super) fn find(&self, token: &str) -> Option<Verified> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        self.table.find(&self.identity.of(token)?)
    }

    /// Remembers a token that was accepted.
    pub(super) fn insert(&self, token: &str, verified: &Verified) {
        if token.len() > MAX_TOKEN || verified.algorithm().is_symmetric() {
            return;
        }
        if let Some(id) = self.identity.of(token) {
            self.table.insert(&id, verified);
        }
    }

    pub(super) fn remove(&self, token: &str) {
        if let Some(id) = self.identity.of(token) {
            self.table.remove(&id);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("settings", &self.settings).finish_non_exhaustive()
    }
}
