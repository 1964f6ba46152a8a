//! What may be replaced while requests are decided.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};

use crate::{Headers, Policy, headers::Rendered};

/// A limiter's policies, and what is rendered of them.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policies: Vec<Policy>,
    pub(crate) rendered: Rendered,
    /// Whether a request that was let in is done with: nothing is sent or settled with its response.
    pub(crate) asks_nothing_more: bool,
}

impl Rules {
    pub(super) fn new(policies: Vec<Policy>, headers: Headers) -> Self {
        let rendered = Rendered::new(headers, &policies);
        let asks_nothing_more =
            rendered.is_silent() && !policies.iter().any(Policy::asks_the_response);
        Self { policies, rendered, asks_nothing_more }
    }

    /// The policy with this number.
    #[inline]
    pub(crate) fn policy(&self, number: u8) -> Option<&Policy> {
        self.policies.get(usize::from(number))
    }

    /// The policy with this name, and its number.
    #[inline]
    pub(crate) fn named(&self, name: &str) -> Option<(u8, &Policy)> {
        (0..).zip(&self.policies).find(|(_, policy)| policy.name() == name)
    }
}

/// Rules that may be replaced. Most never are, and then to read them is to look at one flag.
pub(super) struct LiveRules {
    first: Arc<Rules>,
    are_replaced: AtomicBool,
    latest: ArcSwap<Rules>,
}

/// The rules as they were when they were asked for.
pub(crate) enum Current<'a> {
    First(&'a Arc<Rules>),
    Latest(Guard<Arc<Rules>>),
}

impl LiveRules {
    pub(super) fn new(rules: Rules) -> Self {
        let first = Arc::new(rules);
        let latest = ArcSwap::new(Arc::clone(&first));
        Self { first, are_replaced: AtomicBool::new(false), latest }
    }

    #[inline]
    pub(super) fn current(&self) -> Current<'_> {
        if self.are_replaced.load(Ordering::Acquire) {
            Current::Latest(self.latest.load())
        } else {
            Current::First(&self.first)
        }
    }

    /// Replaces them by what `next` makes of them; it may be called several times.
    pub(super) fn replace(&self, next: impl Fn(&Rules) -> Rules) {
        self.latest.rcu(|rules| next(rules));
        self.are_replaced.store(true, Ordering::Release);
    }
}

impl Current<'_> {
    /// The same, to be kept.
    pub(crate) fn to_arc(&self) -> Arc<Rules> {
        match self {
            Self::First(rules) => Arc::clone(rules),
            Self::Latest(rules) => Arc::clone(rules),
        }
    }
}

impl Deref for Current<'_> {
    type Target = Rules;

    #[inline]
    fn deref(&self) -> &Rules {
        match self {
            Self::First(rules) => rules,
            Self::Latest(rules) => rules,
        }
    }
}
