//! Tokens that were verified before.

mod bucket;

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use siphasher::sip128::SipHasher24;

use self::bucket::{Bucket, Entry, Id, WAYS};
use super::{VerifiedToken, jws::Parts};

/// How a verifier caches tokens that it has verified. See
/// [`TokenVerifierBuilder::cache`](crate::TokenVerifierBuilder::cache).
///
/// Defaults: 10 000 tokens, 64 MiB, 60 s.
///
/// # Semantics
/// 1. A token is found only if its header and payload are equal byte by byte, and its signature has
///    the tag of the cached one: SipHash-2-4 with 128 bits under a random key of this cache. An
///    altered token is taken for a cached one with a probability of 2^-128 for each cached token.
/// 2. Only accepted tokens are cached, so garbage evicts nothing.
/// 3. The token's times, its key and its revocation are checked each time. Rotating one key drops
///    only the tokens of that key.
/// 4. A token is cached for at most a minute, and then verified again.
/// 5. A spray of tokens that come once does not evict those that come again, and the tokens of one
///    subject evict each other before they take more than a quarter from others.
/// 6. Tokens above 4 KiB are not cached.
///
/// # What it keeps in memory
/// For each token its header and payload, its claims, and the tag of its signature. Without the
/// signature none of it is a credential. An attacker who reads the key of the cache *and* writes
/// requests while the process runs can construct a signature with the tag of a cached token, and
/// thus use that token until the cache drops it. A core dump contains the claims of cached tokens,
/// and whole tokens elsewhere: those of requests in flight, and what the HTTP and TLS libraries
/// leave in buffers that they have freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TokenCache {
    entries: usize,
    bytes: usize,
    time_to_live: Duration,
}

impl TokenCache {
    /// A cache with the default bounds.
    pub const fn new() -> Self {
        Self { entries: 10_000, bytes: 64 * 1024 * 1024, time_to_live: Duration::from_secs(60) }
    }

    /// How many tokens are cached at the same time. Default: 10 000, about 10 MiB of common tokens.
    /// The table has a third more places, so that few tokens are evicted by chance; it is allocated
    /// at once, about 20 bytes for each token. The maximum is 2^24; 0 caches none.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// The most memory that the tokens take, in bytes. Default: 64 MiB, which 10 000 common tokens
    /// do not reach. A token counts as if all its claims were parsed, which
    /// [`VerifiedToken::claims`] keeps: a common one takes 2.6 KB. Each bucket of 8 places gets an
    /// equal share, 39 KiB by default, and a token that takes more is not cached; 0 caches none.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a token is cached before it is verified again. Default: 60 s: a token that comes
    /// once a second is verified at a sixtieth of the cost, and a longer time saves little.
    ///
    /// Correctness does not depend on it: expiry, keys and revocation are checked each time. Nothing
    /// runs in the background: a stale token is dropped when it comes again, or when another one
    /// comes to its bucket. 0 caches none.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}

/// The most tokens that are cached.
const MAX_ENTRIES: usize = 1 << 24;
/// The longest token that is cached, in bytes.
const MAX_TOKEN: usize = 4 * 1024;
/// The share of places that the announced number of tokens fills: 3 of 4.
const FILL: (usize, usize) = (3, 4);

/// The cache itself: a table of fixed size, in buckets that count which of their tokens come again.
///
/// A token is in one of two buckets that its tag chooses. With a third more places than the announced
/// number of tokens, few are evicted by chance; a single bucket would lose a seventh.
pub(super) struct Cache {
    settings: TokenCache,
    /// The key of the tags; `None`, and so nothing is cached, if the system returns no random bytes.
    tags: Option<SipHasher24>,
    /// The key of the hashes of subjects.
    subjects: RandomState,
    buckets: Box<[Bucket]>,
}

impl Cache {
    pub(super) fn new(settings: TokenCache) -> Self {
        let keeps_none = settings.bytes == 0 || settings.time_to_live.is_zero();
        let entries = if keeps_none { 0 } else { settings.entries.min(MAX_ENTRIES) };
        let (full, of) = FILL;
        let buckets = (entries * of).div_ceil(full).div_ceil(WAYS);
        let mut key = [0; 16];
        let tags = getrandom::fill(&mut key).is_ok().then(|| SipHasher24::new_with_key(&key));
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { settings, tags, subjects: RandomState::new(), buckets }
    }

    /// A token that was accepted recently.
    pub(super) fn find(&self, parts: &Parts<'_>, now: Duration) -> Option<VerifiedToken> {
        let id = self.id(parts)?;
        let mut home = self.home(&id).into_iter();
        home.find_map(|bucket| bucket?.find(&id, now))
    }

    /// Caches a token that is accepted now: where it is already, or in the bucket that has more room.
    pub(super) fn insert(&self, parts: &Parts<'_>, token: &VerifiedToken, now: Duration) {
        let Some(id) = self.id(parts) else { return };
        let fresh = now..now.saturating_add(self.settings.time_to_live);
        let entry = Entry::new(&id, token, fresh, self.subjects.hash_one(token.subject()));
        let bytes = self.settings.bytes.checked_div(self.buckets.len()).unwrap_or_default();
        if let [Some(first), Some(second)] = self.home(&id)
            && entry.size <= bytes
        {
            let has_first = first.place(&id).is_some();
            let has_second = second.place(&id).is_some();
            let prefers_second = !has_first && (has_second || second.room(now) > first.room(now));
            let bucket = if prefers_second { second } else { first };
            bucket.insert(&id, entry, bytes);
        }
    }

    pub(super) fn remove(&self, parts: &Parts<'_>) {
        if let Some(id) = self.id(parts) {
            self.home(&id).into_iter().flatten().for_each(|bucket| bucket.remove(&id));
        }
    }

    fn id<'a>(&self, parts: &Parts<'a>) -> Option<Id<'a>> {
        let is_short = parts.signed.len() + parts.signature.len() < MAX_TOKEN;
        let tags = self.tags.as_ref().filter(|_| is_short)?;
        let tag = tags.hash(parts.signature.as_bytes());
        Some(Id { signed: parts.signed, tag: (tag.h1, tag.h2) })
    }

    /// The two buckets that may contain a token: each at the share of the table that its point is of all
    /// 64-bit numbers.
    fn home(&self, id: &Id<'_>) -> [Option<&Bucket>; 2] {
        let (hash, _) = id.tag;
        // An odd multiplier of 64 random bits: the second choice is independent of the first.
        let second = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        [hash, second].map(|point| {
            let index = (u128::from(point) * self.buckets.len() as u128) >> 64;
            self.buckets.get(usize::try_from(index).ok()?)
        })
    }
}

debug_only!(Cache { settings });
