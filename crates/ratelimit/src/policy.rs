//! What is limited: a quota, the key it is counted by, and when it applies.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hardpoint_core::{Head, Key, KeyExtractor, KeyMissing};

use crate::{OnFailure, Quota, ResponseHead, key::Needs};

type Filter = dyn Fn(Head<'_>) -> bool + Send + Sync;
type CostOf = dyn Fn(Head<'_>) -> u32 + Send + Sync;
type QuotaOf = dyn Fn(Head<'_>) -> Option<Quota> + Send + Sync;
type ChargeOn = dyn Fn(ResponseHead<'_>) -> bool + Send + Sync;

/// One named limit. Clones share its functions; the state of its keys belongs to the limiter that
/// the policy is built into.
///
/// ```
/// use hardpoint_core::ClientResolver;
/// use hardpoint_ratelimit::{Policy, Quota, filter, key};
/// use http::{Method, StatusCode};
///
/// /// A customer's plan, which an outer layer puts into the extensions.
/// #[derive(Clone)]
/// struct Plan(Quota);
///
/// // Five failed log-ins a minute for each address. Successful ones cost nothing.
/// let log_ins = Policy::new("log-in", Quota::per_minute(5), key::client_network(ClientResolver::direct()))
///     .when(filter::route("/log-in"))
///     .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
///
/// // Each customer gets the quota of its plan, and a write costs five times as much as a read.
/// let plan = Policy::new("plan", Quota::per_minute(60), key::subject())
///     .quota_with(|head| head.extensions.get::<Plan>().map(|plan| plan.0))
///     .cost(|head| if head.method == Method::GET { 1 } else { 5 });
/// # let _ = (log_ins, plan);
/// ```
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`when`](Self::when), [`unless`](Self::unless) | applies to every request |
/// | [`cost`](Self::cost) | 1 cell |
/// | [`on_missing_key`](Self::on_missing_key) | [`OnMissingKey::Shared`] |
/// | [`on_failure`](Self::on_failure) | [`OnFailure::Local`] with a share of 1 |
/// | [`peak_keys`](Self::peak_keys) | 65,536 |
#[derive(Clone)]
#[must_use]
pub struct Policy {
    name: Cow<'static, str>,
    quota: Quota,
    key: Arc<dyn KeyExtractor>,
    needs: Needs,
    when: Option<Arc<Filter>>,
    unless: Option<Arc<Filter>>,
    cost: Option<Arc<CostOf>>,
    quota_of: Option<Arc<QuotaOf>>,
    charge_on: Option<Arc<ChargeOn>>,
    reservable: bool,
    on_missing_key: OnMissingKey,
    on_failure: OnFailure,
    shadow: bool,
    peak_keys: usize,
    /// Counts the changes of the quota while a limiter runs.
    revision: u32,
    warned: Arc<AtomicBool>,
}

impl Policy {
    /// Each key may consume `quota`.
    ///
    /// The name appears in header fields, problems and metrics: 1 to 64 printable ASCII characters,
    /// unique in the limiter. Limiters that share a remote store share the state of policies with
    /// the same name.
    pub fn new(name: impl Into<Cow<'static, str>>, quota: Quota, key: impl KeyExtractor) -> Self {
        Self {
            name: name.into(),
            quota,
            needs: Needs::find(&key),
            key: Arc::new(key),
            when: None,
            unless: None,
            cost: None,
            quota_of: None,
            charge_on: None,
            reservable: false,
            on_missing_key: OnMissingKey::default(),
            on_failure: OnFailure::Local { share: 1.0 },
            shadow: false,
            peak_keys: 65_536,
            revision: 0,
            warned: Arc::default(),
        }
    }

    /// Applies the policy only to requests for which `filter` is true. Default: to all.
    /// [`filter`](crate::filter) has filters for routes and methods.
    ///
    /// It runs for every request, so it should only look at a method, a route or the like.
    pub fn when(mut self, filter: impl Fn(Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(filter));
        self
    }

    /// Exempts requests for which `filter` is true. Default: none.
    /// [`filter::client_in`](crate::filter::client_in) exempts networks.
    pub fn unless(mut self, filter: impl Fn(Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.unless = Some(Arc::new(filter));
        self
    }

    /// The cells that a request consumes. Default: 1. A request that costs 0 is never refused; one
    /// that costs more than the burst always is, without a `Retry-After`.
    pub fn cost(mut self, cost: impl Fn(Head<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// The quota of a request's key, for plans and tiers. `None` means the policy's own.
    ///
    /// A key has a separate bucket for each quota that it comes with, so a caller whose plan changes
    /// starts with a full one. `RateLimit-Policy` and checks without a request use the policy's own
    /// quota.
    pub fn quota_with(
        mut self,
        quota: impl Fn(Head<'_>) -> Option<Quota> + Send + Sync + 'static,
    ) -> Self {
        self.quota_of = Some(Arc::new(quota));
        self
    }

    /// Charges only requests for whose response `charged` is true, such as failed log-ins.
    ///
    /// The limiter holds the cells before the request runs and charges or releases them with the
    /// response, so concurrent requests never exceed the quota. Held cells do not replenish.
    /// [`ResponseHead`] describes what is judged.
    ///
    /// A request is charged without being judged if its future or its response body is dropped
    /// first, if the inner service fails, and if the service, the judgement or an observer panics.
    ///
    /// An admitted request costs one allocation, and a decision locks one of 64 stripes of the
    /// table; a slot takes 40 bytes instead of 16. A key has room for `burst` requests in flight,
    /// charged or not. A hold becomes charged after [one to two
    /// minutes](crate::gcra::HOLD_TIMEOUT), and while requests are held, `Retry-After` may be too
    /// early.
    pub fn charge_on(
        mut self,
        charged: impl Fn(ResponseHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.charge_on = Some(Arc::new(charged));
        self
    }

    /// Lets [`PolicyHandle::reserve`](crate::PolicyHandle::reserve) hold cells of this policy. It
    /// costs what [`charge_on`](Self::charge_on) costs, and is implied by it.
    pub fn reservable(mut self) -> Self {
        self.reservable = true;
        self
    }

    /// Counts and reports what it would refuse, but refuses nothing and appears in no header field:
    /// for trying a policy out.
    pub fn shadow(mut self) -> Self {
        self.shadow = true;
        self
    }

    /// What happens to a request without this key. Default: [`OnMissingKey::Shared`].
    pub fn on_missing_key(mut self, what: OnMissingKey) -> Self {
        self.on_missing_key = what;
        self
    }

    /// Who decides while a remote store does not. Default: [`OnFailure::Local`] with a share of 1.
    /// A limiter in memory always decides. [`OnFailure::LocalThenDeny`] decides locally for
    /// [`local_for`](crate::RateLimiterBuilder::local_for), 60 seconds by default.
    ///
    /// When a batch fails, the strictest answer of its policies wins: if one denies, the request is
    /// refused with 503; otherwise every policy that decides locally must admit it; policies that
    /// allow do not object.
    ///
    /// Policies that guard log-in, sign-up, one-time tokens or API keys should use
    /// `LocalThenDeny { share: 0.25 }`: each of four instances then admits a quarter, and guessing
    /// ends after a minute.
    pub fn on_failure(mut self, what: OnFailure) -> Self {
        self.on_failure = what;
        self
    }

    /// The number of keys that may be in debt at the same time before the smallest debts are
    /// forgotten. Default: 65,536, which take 1.33 MiB.
    ///
    /// A key costs 21 bytes, or 53 if the policy holds cells; all of them are allocated when the
    /// limiter is built. A key needs room only until its bucket is full again: count the callers
    /// within one [`Quota::window`], not all there ever were. With more keys, limits get looser for
    /// those that consumed least; memory does not grow.
    ///
    /// 0 means 1, and more than 2³² means 2³². With a remote store, the table serves
    /// [`OnFailure::Local`]. A policy that replaces another keeps its table.
    pub fn peak_keys(mut self, keys: usize) -> Self {
        self.peak_keys = keys;
        self
    }

    /// The name.
    #[inline]
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The quota.
    #[inline]
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Whether the policy holds cells: it charges by the response or takes reservations.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.charge_on.is_some() || self.reservable
    }

    /// The name, to be kept.
    pub(crate) fn shared_name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    /// This policy in place of `replaced`, while a limiter runs.
    pub(crate) fn replacing(mut self, replaced: &Self) -> Self {
        let changed = self.quota != replaced.quota;
        self.revision = replaced.revision.wrapping_add(u32::from(changed));
        self
    }

    pub(crate) fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    pub(crate) fn revision(&self) -> u32 {
        self.revision
    }

    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    pub(crate) fn failure(&self) -> OnFailure {
        self.on_failure
    }

    pub(crate) fn keys_at_peak(&self) -> usize {
        self.peak_keys
    }

    #[inline]
    pub(crate) fn missing_key(&self) -> OnMissingKey {
        self.on_missing_key
    }

    #[inline]
    pub(crate) fn is_shadow(&self) -> bool {
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

    /// The part of the key that a request without the whole key has.
    #[cold]
    pub(crate) fn known_part<'a>(&self, head: Head<'a>) -> Option<Key<'a>> {
        self.key.known_part(head)
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

    /// Warns once that requests without a key share a bucket: for addresses, the server does not
    /// supply them.
    #[cold]
    pub(crate) fn warn_of_missing_key(&self, missing: KeyMissing) {
        // A load first, so that such requests do not all write to one cache line.
        let warned = &self.warned;
        if !warned.load(Ordering::Relaxed) && !warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "hardpoint::ratelimit",
                policy = self.name(),
                missing = missing.what(),
                "requests without the whole key share a bucket"
            );
        }
    }

    /// Whether the response decides if a request is charged.
    #[inline]
    pub(crate) fn charges_by_response(&self) -> bool {
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
            .field("on_failure", &self.on_failure)
            .field("shadow", &self.shadow)
            .field("peak_keys", &self.peak_keys)
            .finish_non_exhaustive()
    }
}

/// What happens to a request without the key of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnMissingKey {
    /// It is refused with 400: for keys that the API's contract requires.
    Reject,
    /// All such requests share one bucket, and the first is logged. The default: a client cannot
    /// escape a limit by omitting something, and is not refused while it stays within the limit. Of a
    /// key with several parts ([`key::both`](crate::key::both)), requests that have the same parts
    /// share one.
    #[default]
    Shared,
    /// The policy does not apply: for a limit by subject on routes that are also public.
    Skip,
}
