//! Tokens that were verified before.

mod digest;
mod table;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use self::{
    digest::Identity,
    table::{Entry, Table},
};
use super::Verified;

/// How a verifier remembers tokens that it has verified. See
/// [`TokenVerifier::cache`](crate::TokenVerifier::cache).
///
/// # Semantics
/// 1. A token is known again only if every byte of it is the same.
/// 2. Only tokens that were accepted are kept: whoever sends garbage fills nothing.
/// 3. Each time it comes its times, its key and its revocation are asked anew. Rotating one key
///    forgets the tokens of that key alone.
/// 4. It is known for a minute at most, then it is verified again.
/// 5. A spray of tokens that come once does not push out those that come again and again; and the
///    tokens of one subject push out each other before they take more than a quarter from others.
/// 6. Tokens above 4 KiB are not kept, nor are tokens signed with a secret (HS256 and its sisters): to
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
    time_to_live: Duration,
}

impl TokenCache {
    /// Knows tokens by their SHA-256.
    pub const fn digest() -> Self {
        Self {
            is_digest: true,
            entries: 10_000,
            bytes: 64 * 1024 * 1024,
            time_to_live: Duration::from_secs(60),
        }
    }

    /// Knows tokens by themselves.
    pub const fn full_token() -> Self {
        Self { is_digest: false, ..Self::digest() }
    }

    /// How many tokens are to be known at the same time. Default: 10 000, about 10 MiB of common tokens.
    /// The table has a third more places, so that hardly one of them is pushed out by chance; it is
    /// made at once, of about 20 bytes for each token. More than 2^24 is taken as that; 0 keeps none.
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How much memory the tokens take at most, in bytes. Default: 64 MiB, which 10 000 common tokens do
    /// not reach. A token counts as if all its claims had been read, a common one 2.2 KB:
    /// [`Verified::claims`] keeps what it has read. Each bucket of 8 places gets its equal
    /// share, 39 KiB by default, and a token that takes more is not kept; 0 keeps none.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a token is known before it is verified again. Default: 60 s, by which a token that
    /// comes once a second is verified at a sixtieth of the cost; more saves next to nothing.
    ///
    /// Nothing depends on it for being right: expiry, keys and revocation are asked about each time.
    /// Nothing runs in the background either: a token that is known for too long is wiped when it comes
    /// again, or when another comes to its bucket. 0 keeps none.
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
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
    /// What subjects are hashed with.
    subjects: RandomState,
    table: Table,
}

impl Cache {
    pub(super) fn new(settings: TokenCache) -> Self {
        let keeps_none = settings.bytes == 0 || settings.time_to_live.is_zero();
        let entries = if keeps_none { 0 } else { settings.entries.min(MAX_ENTRIES) };
        Self {
            settings,
            identity: Identity::new(settings.is_digest),
            subjects: RandomState::new(),
            table: Table::new(entries, settings.bytes, settings.time_to_live),
        }
    }

    pub(super) const fn settings(&self) -> TokenCache {
        self.settings
    }

    /// A token that was accepted before, lately.
    pub(super) fn find(&self, token: &str, now: Duration) -> Option<Verified> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        self.table.find(&self.identity.of(token)?, now)
    }

    /// Remembers a token that is accepted now.
    pub(super) fn insert(&self, token: &str, verified: &Verified, now: Duration) {
        if token.len() > MAX_TOKEN || verified.algorithm().is_symmetric() {
            return;
        }
        let Some(id) = self.identity.of(token) else { return };
        let kept = id.to_kept();
        let size = size_of::<Entry>() + kept.size() + verified.size();
        let subject = self.subjects.hash_one(verified.subject());
        let entry = Entry { kept, verified: verified.clone(), since: now, subject, size };
        self.table.insert(&id, entry);
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
