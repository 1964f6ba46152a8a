//! What responses say about limits.

use std::{fmt::Write, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_EXPOSE_HEADERS, RETRY_AFTER},
};

use crate::{Batch, Policy, Verdict, Verdicts};

static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Which headers tell clients about their limits. `Retry-After` stands on every refusal in any case.
///
/// ```
/// use hardpoint_ratelimit::{Draft, Headers, LegacyReset};
///
/// let headers = Headers::ietf(Draft::V11).legacy(LegacyReset::DeltaSeconds).expose();
/// # let _ = headers;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    draft: Option<Draft>,
    legacy: Option<LegacyReset>,
    expose: bool,
}

/// A version of draft-ietf-httpapi-ratelimit-headers. Its fields still change from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draft {
    /// Version 11 of May 2026, whose fields are those of versions 8 to 10 too.
    V11,
}

/// What `X-RateLimit-Reset` says: there is no standard, and clients expect one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyReset {
    /// Seconds from now, as Reddit sends it.
    DeltaSeconds,
    /// Seconds since 1970, as GitHub sends it.
    UnixSeconds,
}

impl Headers {
    /// None: the default. Headers tell an attacker as much as a friend, and cost two allocations or
    /// more on every response.
    #[must_use]
    pub const fn none() -> Self {
        Self { draft: None, legacy: None, expose: false }
    }

    /// `RateLimit-Policy` and `RateLimit` on every response:
    ///
    /// ```text
    /// RateLimit-Policy: "client";q=40;w=2
    /// RateLimit: "client";r=39;t=1
    /// ```
    ///
    /// `q` is the burst and `w` the seconds in which it fills; `r` is the cells left and `t` the
    /// seconds until another one is there, or for a refused request until it is let in. Seconds are
    /// rounded up.
    #[must_use]
    pub const fn ietf(draft: Draft) -> Self {
        Self { draft: Some(draft), legacy: None, expose: false }
    }

    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` of the policy nearest to its bound, on every
    /// response. The reset is when its bucket is full.
    #[must_use]
    pub const fn legacy(mut self, reset: LegacyReset) -> Self {
        self.legacy = Some(reset);
        self
    }

    /// Names these headers and `Retry-After` in `Access-Control-Expose-Headers`, without which a
    /// script of another origin cannot read them. It does nothing where there are none of these.
    #[must_use]
    pub const fn expose(mut self) -> Self {
        self.expose = true;
        self
    }
}

/// What is the same on every response of a limiter, rendered once.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    policies: Option<HeaderValue>,
    legacy: Option<LegacyReset>,
    exposed: Option<HeaderValue>,
}

impl Rendered {
    pub(crate) fn new(headers: Headers, policies: &[Policy]) -> Self {
        Self {
            policies: headers.draft.and_then(|Draft::V11| render_policies(policies)),
            legacy: headers.legacy,
            exposed: headers.expose.then(|| exposed_names(headers)).flatten(),
        }
    }

    /// The headers of one response; `None` if there are none.
    pub(crate) fn fields(
        &self,
        policies: &[Policy],
        batch: &Batch,
        verdicts: &Verdicts,
        unix: impl FnOnce() -> Duration,
    ) -> Option<Fields> {
        if self.policies.is_none() && self.legacy.is_none() {
            return None;
        }
        let told = || {
            verdicts.of(batch).filter_map(|(entry, verdict)| {
                let policy = policies.get(usize::from(entry.policy))?;
                (!policy.is_shadow()).then_some((policy, verdict))
            })
        };
        let (nearest, _) =
            told().map(|(policy, verdict)| (verdict, policy)).min_by_key(nearness)?;
        let legacy = self.legacy.map(|reset| Legacy::new(&nearest, reset, unix));
        let ietf =
            self.policies.clone().and_then(|policies| Some((policies, render_limits(told())?)));
        Some(Fields { ietf, legacy, exposed: self.exposed.clone() })
    }
}

/// The smaller, the nearer to its bound.
fn nearness(told: &(Verdict, &Policy)) -> (bool, u32) {
    (told.0.allowed(), told.0.remaining())
}

fn render_policies(policies: &[Policy]) -> Option<HeaderValue> {
    let mut text = String::new();
    for policy in policies.iter().filter(|policy| !policy.is_shadow()) {
        item(&mut text, policy.name());
        let quota = policy.quota();
        // The pace is rounded up to whole nanoseconds a cell: that is no second more.
        let rounding = Duration::from_nanos(quota.capacity().into());
        let window = seconds_up(quota.window().saturating_sub(rounding)).max(1);
        // Writing to a String does not fail.
        let _ = write!(text, ";q={};w={window}", quota.capacity());
    }
    (!text.is_empty()).then(|| HeaderValue::try_from(text).ok()).flatten()
}

fn render_limits<'a>(told: impl Iterator<Item = (&'a Policy, Verdict)>) -> Option<HeaderValue> {
    let mut text = String::with_capacity(64);
    for (policy, verdict) in told {
        item(&mut text, policy.name());
        let wait = verdict.retry_after().unwrap_or_else(|| verdict.next_cell_after());
        let _ = write!(text, ";r={};t={}", verdict.remaining(), seconds_up(wait));
    }
    HeaderValue::try_from(text).ok()
}

fn exposed_names(headers: Headers) -> Option<HeaderValue> {
    let ietf = headers.draft.map(|Draft::V11| [RATELIMIT.as_str(), RATELIMIT_POLICY.as_str()]);
    let legacy = headers.legacy.map(|_| [X_LIMIT.as_str(), X_REMAINING.as_str(), X_RESET.as_str()]);
    let names: Vec<_> = [RETRY_AFTER.as_str()]
        .into_iter()
        .chain(ietf.into_iter().flatten())
        .chain(legacy.into_iter().flatten())
        .collect();
    HeaderValue::try_from(names.join(", ")).ok()
}

/// The headers of one response.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    ietf: Option<(HeaderValue, HeaderValue)>,
    legacy: Option<Legacy>,
    exposed: Option<HeaderValue>,
}

#[derive(Clone, Copy, Debug)]
struct Legacy {
    limit: u32,
    remaining: u32,
    reset: u64,
}

impl Legacy {
    fn new(verdict: &Verdict, reset: LegacyReset, unix: impl FnOnce() -> Duration) -> Self {
        let full_after = verdict.full_after();
        let reset = match reset {
            LegacyReset::DeltaSeconds => full_after,
            LegacyReset::UnixSeconds => unix().saturating_add(full_after),
        };
        let limit = verdict.quota().capacity();
        Self { limit, remaining: verdict.remaining(), reset: seconds_up(reset) }
    }
}

impl Fields {
    /// Adds to what a limiter further in has said: lists grow, and single values stay if they leave
    /// less.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        if let Some((policies, limits)) = self.ietf {
            headers.append(RATELIMIT_POLICY.clone(), policies);
            headers.append(RATELIMIT.clone(), limits);
        }
        if let Some(legacy) = self.legacy.filter(|legacy| legacy.is_nearer_than(headers)) {
            headers.insert(X_LIMIT.clone(), legacy.limit.into());
            headers.insert(X_REMAINING.clone(), legacy.remaining.into());
            headers.insert(X_RESET.clone(), legacy.reset.into());
        }
        if let Some(exposed) = self.exposed {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

impl Legacy {
    fn is_nearer_than(self, headers: &HeaderMap) -> bool {
        let inner = headers.get(&X_REMAINING).and_then(|value| value.to_str().ok());
        let inner: Option<u32> = inner.and_then(|text| text.parse().ok());
        inner.is_none_or(|inner| self.remaining < inner)
    }
}

/// Begins the next item of the list: the name as a quoted string.
fn item(text: &mut String, name: &str) {
    text.push_str(if text.is_empty() { "\"" } else { ", \"" });
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
