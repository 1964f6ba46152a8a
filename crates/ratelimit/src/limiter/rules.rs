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

/// A limiter's policies, and what is rendered from them.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policies: Vec<Policy>,
    pub(crate) rendered: Rendered,
    /// Whether an admitted request needs nothing more: no header field and no judgement.
    pub(crate) only_admits: bool,
}

impl Rules {
    pub(super) fn new(policies: Vec<Policy>, headers: Headers) -> Self {
        let rendered = Rendered::new(headers, &policies);
        let judges = policies.iter().any(Policy::charges_by_response);
        Self { only_admits: rendered.is_silent() && !judges, policies, rendered }
    }

    /// The policy with this number.
    #[inline]
    pub(crate) fn policy(&self, number: u8) -> Option<&Policy> {
        self.policies.get(usize::from(number))
    }
}

/// Rules that may be replaced. Most never are, and reading those costs one flag.
pub(super) struct LiveRules {
    first: Arc<Rules>,
    are_replaced: AtomicBool,
    latest: ArcSwap<Rules>,
}

/// The rules as they were when they were read.
pub(crate) enum Current<'a> {
    Kept(&'a Arc<Rules>),
    Latest(Guard<Arc<Rules>>),
}

impl LiveRules {
    pub(super) fn new(rules: Rules) -> Self {
        let first = Arc::new(rules);
        let latest = ArcSwap::new(Arc::clone(&first));
        Self { first, are_replaced: AtomicBool::new(false), latest }
    }

    /// The rules that the limiter was built with: names and numbers never change.
    pub(super) fn first(&self) -> &Rules {
        &self.first
    }

    #[inline]
    pub(super) fn current(&self) -> Current<'_> {
        if self.are_replaced.load(Ordering::Acquire) {
            Current::Latest(self.latest.load())
        } else {
            Current::Kept(&self.first)
        }
    }

    pub(super) fn replace(&self, rules: Rules) {
        self.latest.store(Arc::new(rules));
        self.are_replaced.store(true, Ordering::Release);
    }
}

impl Current<'_> {
    pub(crate) fn to_arc(&self) -> Arc<Rules> {
        match self {
            Self::Kept(rules) => Arc::clone(rules),
            Self::Latest(rules) => Arc::clone(rules),
        }
    }
}

impl Deref for Current<'_> {
    type Target = Rules;

    #[inline]
    fn deref(&self) -> &Rules {
        match self {
            Self::Kept(rules) => rules,
            Self::Latest(rules) => rules,
        }
    }
}
