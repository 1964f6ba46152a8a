//! What is limited: a quota, the key it is counted under, and when it applies.

use std::{fmt, sync::Arc};

use hardpoint_core::{Head, Key, KeyExtractor, KeyMissing};

use crate::Quota;

type Filter = dyn Fn(Head<'_>) -> bool + Send + Sync;

/// One named limit. Cloning it shares the key extractor and the filter, not any state: state
/// belongs to the limiter that a policy is built into.
#[derive(Clone)]
#[must_use]
pub struct Policy {
    name: &'static str,
    quota: Quota,
    key: Arc<dyn KeyExtractor>,
    when: Option<Arc<Filter>>,
    on_missing_key: OnMissingKey,
    peak_keys: usize,
}

impl Policy {
    /// Each key may consume `quota`.
    ///
    /// The name appears in headers, problems and metrics: 1 to 64 printable ASCII characters,
    /// different from the names of the limiter's other policies.
    pub fn new(name: &'static str, quota: Quota, key: impl KeyExtractor) -> Self {
        Self {
            name,
            quota,
            key: Arc::new(key),
            when: None,
            on_missing_key: OnMissingKey::default(),
            peak_keys: 65_536,
        }
    }

    /// Applies the policy only to requests that `filter` is true for. Default: to all.
    ///
    /// It is called for every request, so it should look at a method or a path and no more.
    pub fn when(mut self, filter: impl Fn(Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(filter));
        self
    }

    /// What happens to a request that has no such key. Default: [`OnMissingKey::Shared`].
    pub const fn on_missing_key(mut self, what: OnMissingKey) -> Self {
        self.on_missing_key = what;
        self
    }

    /// How many keys may be in debt at the same time before the smallest debts are forgiven.
    /// Default: 65 536, which take 1.4 MiB.
    ///
    /// Each key costs 21 bytes, all of them allocated when the limiter is built, whatever kind of
    /// key it is. A key counts only until its bucket is full again: what matters is how many
    /// different callers come within one [`Quota::window`], not how many there ever were. Beyond
    /// it, limits get looser for the keys that consumed least; memory does not grow.
    ///
    /// 0 is taken as 1. A remote store ignores it.
    pub const fn peak_keys(mut self, keys: usize) -> Self {
        self.peak_keys = keys;
        self
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The quota.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    pub(crate) const fn keys_at_peak(&self) -> usize {
        self.peak_keys
    }

    pub(crate) const fn missing_key(&self) -> OnMissingKey {
        self.on_missing_key
    }

    pub(crate) fn applies(&self, head: Head<'_>) -> bool {
        self.when.as_ref().is_none_or(|filter| filter(head))
    }

    pub(crate) fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        self.key.key(head)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("quota", &self.quota)
            .field("on_missing_key", &self.on_missing_key)
            .field("peak_keys", &self.peak_keys)
            .finish_non_exhaustive()
    }
}

/// What happens to a request that lacks the key of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMissingKey {
    /// It is refused with 400: for keys that the API's contract demands.
    Reject,
    /// All such requests are counted under one key of their own. The default: nobody escapes a
    /// limit by leaving something out, and nobody is refused who stays within it.
    #[default]
    Shared,
    /// The policy does not apply to it: for a limit by subject on routes that the public may use.
    Skip,
}
