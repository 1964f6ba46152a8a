//! What is limited: a quota, the key it is counted under, and when it applies.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hardpoint_core::{Head, Key, KeyExtractor, KeyMissing};
use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::Quota;

type Filter = dyn Fn(Head<'_>) -> bool + Send + Sync;
type CostOf = dyn Fn(Head<'_>) -> u32 + Send + Sync;
type QuotaOf = dyn Fn(Head<'_>) -> Option<Quota> + Send + Sync;
type ChargeOn = dyn Fn(ResponseHead<'_>) -> bool + Send + Sync;

/// One named limit. Cloning it shares its functions, not any state: state belongs to the limiter
/// that a policy is built into.
///
/// ```
/// use hardpoint_core::ClientResolver;
/// use hardpoint_ratelimit::{Policy, Quota, filter, key};
/// use http::{Method, StatusCode};
///
/// /// The plan of a customer, put into the extensions by an outer layer.
/// #[derive(Clone)]
/// struct Plan(Quota);
///
/// // Five failed log-ins a minute for each address; those that succeed cost nothing.
/// let log_ins = Policy::new("log-in", Quota::per_minute(5), key::client_network(ClientResolver::direct()))
///     .when(filter::route("/log-in"))
///     .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
///
/// // Each customer its plan, and writing weighs five times as much as reading.
/// let plan = Policy::new("plan", Quota::per_minute(60), key::subject())
///     .quota_with(|head| head.extensions.get::<Plan>().map(|plan| plan.0))
///     .cost(|head| if head.method == Method::GET { 1 } else { 5 });
/// # let _ = (log_ins, plan);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Policy {
    name: &'static str,
    quota: Quota,
    key: Arc<dyn KeyExtractor>,
    when: Option<Arc<Filter>>,
    unless: Option<Arc<Filter>>,
    cost: Option<Arc<CostOf>>,
    quota_of: Option<Arc<QuotaOf>>,
    charge_on: Option<Arc<ChargeOn>>,
    on_missing_key: OnMissingKey,
    shadow: bool,
    peak_keys: usize,
    warned: Arc<AtomicBool>,
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
            unless: None,
            cost: None,
            quota_of: None,
            charge_on: None,
            on_missing_key: OnMissingKey::default(),
            shadow: false,
            peak_keys: 65_536,
            warned: Arc::default(),
        }
    }

    /// Applies the policy only to requests that `filter` is true for. Default: to all. See
    /// [`filter`](crate::filter) for routes and methods.
    ///
    /// It is called for every request, so it should look at a method or a route and no more.
    pub fn when(mut self, filter: impl Fn(Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(filter));
        self
    }

    /// Exempts requests that `filter` is true for: an allow list. Default: none is. See
    /// [`filter::client_in`](crate::filter::client_in) for addresses.
    pub fn unless(mut self, filter: impl Fn(Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.unless = Some(Arc::new(filter));
        self
    }

    /// How many cells a request consumes. Default: 1. 0 costs nothing and is never refused; more
    /// than the burst is always refused, without a `Retry-After`.
    pub fn cost(mut self, cost: impl Fn(Head<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// The quota of this request's key: by plan or tier. `None` stands for the policy's own.
    ///
    /// A key has a bucket of its own for each quota that it comes with, so a change of plan begins
    /// with a full one. `RateLimit-Policy` tells the policy's own quota, and so do direct checks ask.
    pub fn quota_with(
        mut self,
        quota: impl Fn(Head<'_>) -> Option<Quota> + Send + Sync + 'static,
    ) -> Self {
        self.quota_of = Some(Arc::new(quota));
        self
    }

    /// Charges only requests whose response `charged` is true for: failed log-ins, say.
    ///
    /// The cells are taken before the request goes on, and given back if the response is not one to
    /// charge for: however many come at once, no more than the quota are let in. What time has
    /// replenished while the request ran is not given back a second time. A request whose future is
    /// dropped, or whose service fails, has been charged.
    ///
    /// It costs two allocations for each request that is let in. While a request is on its way it holds
    /// its cells: the burst should cover the good ones that a key has in flight. With a remote store
    /// the response waits for the cells to be given back.
    pub fn charge_on(
        mut self,
        charged: impl Fn(ResponseHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.charge_on = Some(Arc::new(charged));
        self
    }

    /// Only looks on: it counts as if it were enforced, and tells the observer what it would have
    /// refused, but refuses nothing and stands in no header. To try a policy out.
    pub const fn shadow(mut self) -> Self {
        self.shadow = true;
        self
    }

    /// What happens to a request that has no such key. Default: [`OnMissingKey::Shared`].
    pub const fn on_missing_key(mut self, what: OnMissingKey) -> Self {
        self.on_missing_key = what;
        self
    }

    /// How many keys may be in debt at the same time before the smallest debts are forgiven.
    /// Default: 65 536, which take 1.33 MiB.
    ///
    /// Each key costs 21 bytes, all of them allocated when the limiter is built, whatever kind of
    /// key it is. A key counts only until its bucket is full again: what matters is how many
    /// different callers come within one [`Quota::window`], not how many there ever were. Beyond
    /// it, limits get looser for the keys that consumed least; memory does not grow.
    ///
    /// 0 is taken as 1, and more than 2^32 as that. A remote store ignores it, and so does a policy that replaces another.
    pub const fn peak_keys(mut self, keys: usize) -> Self {
        self.peak_keys = keys;
        self
    }

    /// The name.
    #[inline]
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The quota.
    #[inline]
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    pub(crate) const fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    pub(crate) const fn keys_at_peak(&self) -> usize {
        self.peak_keys
    }

    #[inline]
    pub(crate) const fn missing_key(&self) -> OnMissingKey {
        self.on_missing_key
    }

    #[inline]
    pub(crate) const fn is_shadow(&self) -> bool {
        self.shadow
    }

    #[inline]
    pub(crate) fn applies<'a>(&self, head: impl Fn() -> Head<'a>) -> bool {
        self.when.as_ref().is_none_or(|filter| filter(head()))
            && !self.unless.as_ref().is_some_and(|filter| filter(head()))
    }

    #[inline]
    pub(crate) fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        self.key.key(head)
    }

    #[inline]
    pub(crate) fn cost_of<'a>(&self, head: impl Fn() -> Head<'a>) -> u32 {
        self.cost.as_ref().map_or(1, |cost| cost(head()))
    }

    /// The quota that this request comes with, if it is not the policy's.
    #[inline]
    pub(crate) fn quota_of<'a>(&self, head: impl Fn() -> Head<'a>) -> Option<Quota> {
        self.quota_of.as_ref().and_then(|quota| quota(head()))
    }

    /// Says once that requests share a bucket because they have no key of their own: for addresses
    /// that is a server which was not told to hand them on.
    pub(crate) fn warn_of_missing_key(&self, missing: KeyMissing) {
        // Looked at first, so that nothing is written to for every such request.
        let warned = &self.warned;
        if !warned.load(Ordering::Relaxed) && !warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "hardpoint::ratelimit",
                policy = self.name,
                missing = missing.what(),
                "requests without a key share one bucket"
            );
        }
    }

    /// Whether it depends on the response if a request is charged.
    #[inline]
    pub(crate) const fn asks_the_response(&self) -> bool {
        self.charge_on.is_some()
    }

    pub(crate) fn charges(&self, response: ResponseHead<'_>) -> bool {
        self.charge_on.as_ref().is_none_or(|charged| charged(response))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("quota", &self.quota)
            .field("on_missing_key", &self.on_missing_key)
            .field("shadow", &self.shadow)
            .field("peak_keys", &self.peak_keys)
            .finish_non_exhaustive()
    }
}

/// A response without its body, as [`Policy::charge_on`] looks at it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// What the handler and the layers inside attached.
    pub extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    pub(crate) fn of<B>(response: &'a Response<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        }
    }
}

/// What happens to a request that lacks the key of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMissingKey {
    /// It is refused with 400: for keys that the API's contract demands.
    Reject,
    /// All such requests are counted under one key of their own, which is logged once. The default:
    /// nobody escapes a limit by leaving something out, and nobody is refused who stays within it.
    #[default]
    Shared,
    /// The policy does not apply to it: for a limit by subject on routes that the public may use.
    Skip,
}
