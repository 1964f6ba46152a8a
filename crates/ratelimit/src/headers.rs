//! Header fields that describe limits.

use std::{fmt::Write, mem, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_EXPOSE_HEADERS, RETRY_AFTER},
};

use crate::{
    Policy, Verdicts,
    store::{Questions, Verdict},
};

static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Which header fields describe a client's limits. Every refusal has `Retry-After` in any case.
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

/// A version of draft-ietf-httpapi-ratelimit-headers, whose fields still change between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draft {
    /// Version 11 of May 2026. Versions 8 to 10 have the same fields.
    V11,
}

/// What `X-RateLimit-Reset` contains. No standard defines it, and clients differ in what they expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyReset {
    /// Seconds from now, as Reddit sends it.
    DeltaSeconds,
    /// Seconds since 1970, as GitHub sends it.
    UnixSeconds,
}

impl Headers {
    /// None: the default. The fields inform attackers too, and cost two allocations or more on every
    /// response.
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
    /// `q` is the burst and `w` the seconds in which it fills. `r` is the cells that are left, and
    /// `t` the seconds until the next cell, or until a refused request is admitted. Seconds are
    /// rounded up.
    #[must_use]
    pub const fn ietf(draft: Draft) -> Self {
        Self { draft: Some(draft), legacy: None, expose: false }
    }

    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` of the policy nearest to its bound, on every
    /// response. The reset is the time when its bucket is full.
    #[must_use]
    pub const fn legacy(mut self, reset: LegacyReset) -> Self {
        self.legacy = Some(reset);
        self
    }

    /// Names these fields and `Retry-After` in `Access-Control-Expose-Headers`, so that scripts of
    /// other origins can read them. Without any of the fields it does nothing.
    #[must_use]
    pub const fn expose(mut self) -> Self {
        self.expose = true;
        self
    }
}

/// The parts that all responses of a limiter share, rendered once.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    draft: Option<Draft>,
    legacy: Option<LegacyReset>,
    /// `RateLimit-Policy` and `Access-Control-Expose-Headers`; empty if they are not sent.
    policies: String,
    exposed: String,
    /// How each policy's item in `RateLimit` begins; empty for shadows.
    items: Vec<String>,
}

impl Rendered {
    pub(crate) fn new(headers: Headers, policies: &[Policy]) -> Self {
        Self {
            draft: headers.draft,
            legacy: headers.legacy,
            policies: headers.draft.map(|Draft::V11| render_policies(policies)).unwrap_or_default(),
            exposed: if headers.expose { exposed_names(headers) } else { String::new() },
            items: policies.iter().map(item_of).collect(),
        }
    }

    /// The fields of one response; `None` if it has none.
    #[inline]
    pub(crate) fn fields(
        &self,
        questions: &Questions,
        verdicts: &Verdicts,
        unix: impl FnOnce() -> Duration,
    ) -> Option<Fields> {
        if self.is_silent() { None } else { self.render(questions, verdicts, unix) }
    }

    /// Whether no response has any.
    pub(crate) const fn is_silent(&self) -> bool {
        self.draft.is_none() && self.legacy.is_none()
    }

    #[inline(never)]
    fn render(
        &self,
        questions: &Questions,
        verdicts: &Verdicts,
        unix: impl FnOnce() -> Duration,
    ) -> Option<Fields> {
        let shown = || {
            verdicts.each(questions).filter_map(|(question, verdict)| {
                let item = self.items.get(usize::from(question.policy))?;
                (!item.is_empty()).then_some((item, verdict))
            })
        };
        let mut fields = Fields::with_capacity(self.policies.len() + self.exposed.len() + 96);
        fields.text.extend_from_slice(self.policies.as_bytes());
        fields.end(POLICIES);
        let mut is_silent = true;
        for (item, verdict) in shown() {
            if self.draft.is_some() {
                if !is_silent {
                    fields.text.extend_from_slice(b", ");
                }
                let wait = verdict.retry_after().unwrap_or_else(|| verdict.next_cell_after());
                fields.text.extend_from_slice(item.as_bytes());
                number(&mut fields.text, verdict.remaining().into());
                fields.text.extend_from_slice(b";t=");
                number(&mut fields.text, seconds_up(wait));
            }
            is_silent = false;
        }
        if is_silent {
            return None;
        }
        fields.end(LIMITS);
        if let Some(reset) = self.legacy
            && let Some((_, nearest)) = shown().min_by_key(|(_, verdict)| verdict.nearness())
        {
            let full_after = nearest.full_after();
            let reset = match reset {
                LegacyReset::DeltaSeconds => full_after,
                LegacyReset::UnixSeconds => unix().saturating_add(full_after),
            };
            fields.legacy(&nearest, reset);
        }
        fields.text.extend_from_slice(self.exposed.as_bytes());
        fields.end(EXPOSED);
        Some(fields)
    }
}

fn render_policies(policies: &[Policy]) -> String {
    let mut text = String::new();
    for policy in policies.iter().filter(|policy| !policy.is_shadow()) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        quoted(&mut text, policy.name());
        let quota = policy.quota();
        // The interval of a cell is rounded up to whole nanoseconds, which must not add a second.
        let rounding = Duration::from_nanos(quota.capacity().into());
        let window = seconds_up(quota.window().saturating_sub(rounding)).max(1);
        // Writing to a String does not fail.
        let _ = write!(text, ";q={};w={window}", quota.capacity());
    }
    text
}

/// How the policy's item in `RateLimit` begins.
fn item_of(policy: &Policy) -> String {
    let mut text = String::new();
    if !policy.is_shadow() {
        quoted(&mut text, policy.name());
        text.push_str(";r=");
    }
    text
}

fn exposed_names(headers: Headers) -> String {
    let ietf = headers.draft.map(|Draft::V11| [RATELIMIT.as_str(), RATELIMIT_POLICY.as_str()]);
    let legacy = headers.legacy.map(|_| [X_LIMIT.as_str(), X_REMAINING.as_str(), X_RESET.as_str()]);
    let names: Vec<_> = [RETRY_AFTER.as_str()]
        .into_iter()
        .chain(ietf.into_iter().flatten())
        .chain(legacy.into_iter().flatten())
        .collect();
    names.join(", ")
}

/// The header fields of one response.
///
/// All values are in one buffer, of which each field gets its part: one allocation, small enough to
/// pass from the decision to the response, and no counter that other requests share.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    text: Vec<u8>,
    /// Where each value ends; it begins where the one before ends. Unsent values are empty.
    ends: [u16; VALUES],
}

/// The order of values in [`Fields`].
const POLICIES: usize = 0;
const LIMITS: usize = 1;
const LIMIT: usize = 2;
const REMAINING: usize = 3;
const RESET: usize = 4;
const EXPOSED: usize = 5;
const VALUES: usize = 6;

impl Fields {
    fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), ends: [0; VALUES] }
    }

    fn legacy(&mut self, nearest: &Verdict, reset: Duration) {
        number(&mut self.text, nearest.quota.capacity().into());
        self.end(LIMIT);
        number(&mut self.text, nearest.remaining().into());
        self.end(REMAINING);
        number(&mut self.text, seconds_up(reset));
        self.end(RESET);
    }

    /// Marks the end of the value with this number; the values after it are empty so far.
    fn end(&mut self, value: usize) {
        // Eight names of 64 letters and their parameters are far below 64 KiB.
        let end = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        self.ends.iter_mut().skip(value).for_each(|place| *place = end);
    }

    /// Adds to the fields of an inner limiter: lists grow, and single values stay if they leave less.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        let Self { text, ends } = self;
        let mut rest = Bytes::from(text);
        // The last first: each takes the end of the rest, and the first takes all that remains.
        let mut value = |number: usize| {
            let begin = number.checked_sub(1).map_or(0, |before| usize::from(ends[before]));
            if begin >= rest.len() {
                return None;
            }
            let part = if begin == 0 { mem::take(&mut rest) } else { rest.split_off(begin) };
            // Every value was rendered from printable ASCII.
            HeaderValue::from_maybe_shared(part).ok()
        };
        if let Some(exposed) = value(EXPOSED) {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        if let (Some(reset), Some(remaining), Some(limit)) =
            (value(RESET), value(REMAINING), value(LIMIT))
            && is_nearer(&remaining, headers)
        {
            headers.insert(&X_LIMIT, limit);
            headers.insert(&X_REMAINING, remaining);
            headers.insert(&X_RESET, reset);
        }
        if let Some(limits) = value(LIMITS) {
            headers.append(&RATELIMIT, limits);
        }
        if let Some(policies) = value(POLICIES) {
            headers.append(&RATELIMIT_POLICY, policies);
        }
    }
}

/// Whether this leaves less than the inner limiter's field.
fn is_nearer(remaining: &HeaderValue, headers: &HeaderMap) -> bool {
    let figure = |value: &HeaderValue| value.to_str().ok()?.parse::<u32>().ok();
    let inner = headers.get(&X_REMAINING).and_then(figure);
    inner.is_none_or(|inner| figure(remaining).is_some_and(|own| own < inner))
}

/// A policy's name as a quoted string (RFC 9651 §3.3.3).
fn quoted(text: &mut String, name: &str) {
    text.push('"');
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// Writes a number several times as fast as the standard library's formatting.
fn number(text: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len() - 1);
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        first = place;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(first..).unwrap_or_default());
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
