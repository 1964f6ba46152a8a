//! A limiter that is around a request twice charges it once.
//!
//! What has counted a request is remembered in its context. That takes a look into the extensions,
//! and two allocations if no layer has created the context, so it is done only if layers of the
//! limiter were applied to several services: around one service, no request can meet it twice. axum applies a
//! layer of `Router::layer` to each route, so there it is always done.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use hardpoint_core::{RequestContext, Time};
use http::Request;

use super::{RateLimiter, Refusal, Rules};
use crate::store::Questions;

/// How often the layers of a limiter were applied.
pub(super) struct Uses {
    /// Distinguishes limiters. It is drawn when a second service gets the limiter.
    number: AtomicU32,
    is_applied: AtomicBool,
}

impl Uses {
    pub(super) const fn new() -> Self {
        Self { number: AtomicU32::new(0), is_applied: AtomicBool::new(false) }
    }
}

impl RateLimiter {
    /// A layer of this limiter is applied to a service.
    pub(crate) fn applied(&self) {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);

        let uses = &self.shared.uses;
        if uses.is_applied.swap(true, Ordering::Relaxed) && self.mark().is_none() {
            // Two threads may draw two numbers, and the first counts.
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let _ = uses.number.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What distinguishes the limiter, if a request may meet it twice.
    #[inline]
    pub(crate) fn mark(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.shared.uses.number.load(Ordering::Relaxed))
    }

    /// Adds what this request asks under the policies that have not counted it. `false` if all that
    /// apply have.
    #[inline(never)]
    pub(crate) fn ask_once<B>(
        &self,
        mark: NonZeroU32,
        rules: &Rules,
        request: &mut Request<B>,
        questions: &mut Questions,
    ) -> Result<bool, Refusal> {
        let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
        let counted = context.limits_counted(mark);
        self.ask(rules, request, questions, counted)?;
        let asked = questions.as_slice().iter().map(|question| 1 << question.policy);
        context.count_limits(mark, asked.fold(0, |all, policy: u8| all | policy));
        Ok(counted == 0 || !questions.is_empty())
    }
}
