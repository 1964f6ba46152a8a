//! How long a cached answer of a remote store is used. Pure.

use std::sync::Arc;

use super::ApiKeyRecord;

/// How long answers are cached, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// How long an answer is used as it is.
    pub(super) fresh: u64,
    /// How much longer it is used while the store does not answer.
    pub(super) stale_if_error: u64,
}

/// The pause between lookups that fail, if there is an answer to use meanwhile.
const PAUSE: u64 = 1_000;

/// What a store answered about a key, and when it was asked.
pub(super) struct CachedKey {
    /// `None` if the key does not exist.
    pub(super) record: Option<Arc<ApiKeyRecord>>,
    asked_at: u64,
    /// When the store may be asked again.
    retry_at: u64,
}

/// Whether a request may use a cached answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The request uses it.
    Fresh,
    /// The request uses it, and starts a lookup for later ones.
    Due,
    /// The request waits for a lookup.
    Stale,
}

impl CachedKey {
    pub(super) fn new(record: Option<Arc<ApiKeyRecord>>, asked_at: u64) -> Self {
        Self { record, asked_at, retry_at: asked_at }
    }

    /// Whether a request may use it now. In the second half of its time a key in use is refreshed, so
    /// that no request waits. Nor does one wait while the store is known to fail: each key is retried
    /// once a second meanwhile.
    pub(super) fn freshness(&self, ages: Ages, store_fails: bool, now: u64) -> Freshness {
        let age = now.saturating_sub(self.asked_at);
        let is_usable = age < ages.fresh || (store_fails && self.survives_error(ages, now));
        let is_due = self.record.is_some() && age >= ages.fresh / 2 && now >= self.retry_at;
        match (is_usable, is_due) {
            (false, _) => Freshness::Stale,
            (true, false) => Freshness::Fresh,
            (true, true) => Freshness::Due,
        }
    }

    /// Whether it may be used although the store does not answer.
    pub(super) fn survives_error(&self, ages: Ages, now: u64) -> bool {
        self.record.is_some() && !self.is_useless(ages, now)
    }

    /// Whether no request may use it any more.
    pub(super) fn is_useless(&self, ages: Ages, now: u64) -> bool {
        let longest = match self.record {
            Some(_) => ages.fresh.saturating_add(ages.stale_if_error),
            None => ages.fresh,
        };
        now.saturating_sub(self.asked_at) >= longest
    }

    /// A lookup failed.
    pub(super) fn failed(&mut self, now: u64) {
        self.retry_at = now.saturating_add(PAUSE);
    }

    /// When the store was asked: recently, if the key is in use.
    pub(super) fn asked_at(&self) -> u64 {
        self.asked_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const AGES: Ages = Ages { fresh: 10_000, stale_if_error: 60_000 };

    fn record() -> Arc<ApiKeyRecord> {
        Arc::new(ApiKeyRecord {
            id: "0123456789abcdef".parse().unwrap(),
            digest: [0; 32],
            issuer: None,
            subject: "alice".into(),
            name: "ci".into(),
            scope: "".into(),
            created: Duration::ZERO,
            lifetime: None,
            expires: None,
        })
    }

    #[test]
    fn a_key_in_use_is_refreshed_ahead_of_time_and_awaited_once_it_is_stale() {
        let key = CachedKey::new(Some(record()), 1_000);
        for (age, expected) in [
            (0, Freshness::Fresh),
            (4_999, Freshness::Fresh),
            (5_000, Freshness::Due),
            (9_999, Freshness::Due),
            (10_000, Freshness::Stale),
        ] {
            assert_eq!(key.freshness(AGES, false, 1_000 + age), expected, "{age}");
        }
    }

    #[test]
    fn a_negative_answer_is_never_refreshed_nor_used_when_it_is_stale() {
        let key = CachedKey::new(None, 0);
        for store_fails in [false, true] {
            assert_eq!(key.freshness(AGES, store_fails, 9_999), Freshness::Fresh);
            assert_eq!(key.freshness(AGES, store_fails, 10_000), Freshness::Stale);
        }
        assert!(!key.survives_error(AGES, 0) && key.is_useless(AGES, 10_000));
    }

    #[test]
    fn while_the_store_fails_a_key_is_retried_once_a_second_until_it_is_too_old() {
        let mut key = CachedKey::new(Some(record()), 0);
        key.failed(6_000);
        assert_eq!(key.freshness(AGES, true, 6_999), Freshness::Fresh);
        assert_eq!(key.freshness(AGES, true, 7_000), Freshness::Due);
        key.failed(10_500);
        assert_eq!(key.freshness(AGES, true, 11_499), Freshness::Fresh);
        assert_eq!(key.freshness(AGES, true, 11_500), Freshness::Due);
        assert_eq!(key.freshness(AGES, false, 11_499), Freshness::Stale, "it answers others");
        key.failed(69_900);
        assert_eq!(key.freshness(AGES, true, 69_999), Freshness::Fresh);
        assert_eq!(
            key.freshness(AGES, true, 70_000),
            Freshness::Stale,
            "revocation counts at last"
        );
        assert!(!key.survives_error(AGES, 70_000) && key.is_useless(AGES, 70_000));
    }

    #[test]
    fn without_a_time_every_request_asks() {
        let key = CachedKey::new(Some(record()), 5);
        let never = Ages { fresh: 0, stale_if_error: 0 };
        assert_eq!(key.freshness(never, true, 5), Freshness::Stale);
    }
}
