//! How long a copy of what a remote store answered is used. Pure.

use std::sync::Arc;

use super::ApiKeyRecord;

/// How long copies are used, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// For so long a copy is used as it is.
    pub(super) fresh: u64,
    /// For so long after that it is used if the store does not answer.
    pub(super) stale_if_error: u64,
}

/// How long the store is not asked again after it failed to answer, if there is a copy.
const PAUSE: u64 = 1_000;

/// What a store answered about a key, and when.
pub(super) struct Copy {
    /// `None` if there is no such key.
    pub(super) record: Option<Arc<ApiKeyRecord>>,
    read_at: u64,
    /// When the store may be asked again.
    retry_at: u64,
}

/// What a copy is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The request is decided by it.
    Decide,
    /// The request is decided by it, and the store is asked for the next one.
    DecideAndAsk,
    /// The store has to be asked first.
    AskFirst,
}

impl Copy {
    /// A copy of the answer to a question that was asked at this time.
    pub(super) fn new(record: Option<Arc<ApiKeyRecord>>, asked_at: u64) -> Self {
        Self { record, read_at: asked_at, retry_at: asked_at }
    }

    /// What the copy is good for now. In the second half of the time in which it is fresh, the store is
    /// asked in advance, so that no request waits for a key that is in use. Nor does one wait while the
    /// store is known to fail: it is asked once a second, and the copy decides.
    pub(super) fn judge(&self, ages: Ages, store_fails: bool, now: u64) -> Use {
        let age = now.saturating_sub(self.read_at);
        let decides = age < ages.fresh || (store_fails && self.survives_error(ages, now));
        let is_due = self.record.is_some() && age >= ages.fresh / 2 && now >= self.retry_at;
        match (decides, is_due) {
            (false, _) => Use::AskFirst,
            (true, false) => Use::Decide,
            (true, true) => Use::DecideAndAsk,
        }
    }

    /// Whether the copy decides although the store does not answer.
    pub(super) fn survives_error(&self, ages: Ages, now: u64) -> bool {
        self.record.is_some() && !self.is_over(ages, now)
    }

    /// Whether the copy is of no use any more.
    pub(super) fn is_over(&self, ages: Ages, now: u64) -> bool {
        let longest = match self.record {
            Some(_) => ages.fresh.saturating_add(ages.stale_if_error),
            None => ages.fresh,
        };
        now.saturating_sub(self.read_at) >= longest
    }

    /// The store did not answer.
    pub(super) fn failed(&mut self, now: u64) {
        self.retry_at = now.saturating_add(PAUSE);
    }

    /// When the store was asked for it: the copy of a key in use is young.
    pub(super) fn read_at(&self) -> u64 {
        self.read_at
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
            expires: None,
        })
    }

    #[test]
    fn a_known_key_is_asked_for_in_advance_and_awaited_once_it_is_old() {
        let copy = Copy::new(Some(record()), 1_000);
        for (age, expected) in [
            (0, Use::Decide),
            (4_999, Use::Decide),
            (5_000, Use::DecideAndAsk),
            (9_999, Use::DecideAndAsk),
            (10_000, Use::AskFirst),
        ] {
            assert_eq!(copy.judge(AGES, false, 1_000 + age), expected, "{age}");
        }
    }

    #[test]
    fn an_unknown_key_is_never_asked_for_in_advance_nor_used_when_it_is_old() {
        let copy = Copy::new(None, 0);
        for store_fails in [false, true] {
            assert_eq!(copy.judge(AGES, store_fails, 9_999), Use::Decide);
            assert_eq!(copy.judge(AGES, store_fails, 10_000), Use::AskFirst);
        }
        assert!(!copy.survives_error(AGES, 0) && copy.is_over(AGES, 10_000));
    }

    #[test]
    fn while_the_store_fails_it_is_asked_once_a_second_until_the_copy_is_too_old() {
        let mut copy = Copy::new(Some(record()), 0);
        copy.failed(6_000);
        assert_eq!(copy.judge(AGES, true, 6_999), Use::Decide);
        assert_eq!(copy.judge(AGES, true, 7_000), Use::DecideAndAsk);
        copy.failed(10_500);
        assert_eq!(copy.judge(AGES, true, 11_499), Use::Decide);
        assert_eq!(copy.judge(AGES, true, 11_500), Use::DecideAndAsk);
        assert_eq!(copy.judge(AGES, false, 11_499), Use::AskFirst, "it answers others");
        copy.failed(69_900);
        assert_eq!(copy.judge(AGES, true, 69_999), Use::Decide);
        assert_eq!(copy.judge(AGES, true, 70_000), Use::AskFirst, "revocation counts at last");
        assert!(!copy.survives_error(AGES, 70_000) && copy.is_over(AGES, 70_000));
    }

    #[test]
    fn without_a_time_every_request_asks() {
        let copy = Copy::new(Some(record()), 5);
        let never = Ages { fresh: 0, stale_if_error: 0 };
        assert_eq!(copy.judge(never, true, 5), Use::AskFirst);
    }
}
