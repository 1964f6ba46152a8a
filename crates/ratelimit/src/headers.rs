//! Header fields that describe limits.

mod bound;
mod fields;

use std::time::Duration;

use http::header::RETRY_AFTER;

use self::fields::{
    EXPOSED, LIMITS, POLICIES, RATELIMIT, RATELIMIT_POLICY, X_LIMIT, X_REMAINING, X_RESET, number,
};
pub(crate) use self::{bound::Bound, fields::Fields};
use crate::{
    Policy, Verdicts,
    store::{Question, Questions, Verdict},
};

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
    /// rounded up, and `t` is at most `w`.
    ///
    /// They describe the policies that apply to the request. Several limiters around a request add
    /// to the lists. If an inner one refused, its policy is listed first, also if that limiter sends
    /// no fields, and `t` of that policy agrees with `Retry-After`.
    #[must_use]
    pub const fn ietf(draft: Draft) -> Self {
        Self { draft: Some(draft), legacy: None, expose: false }
    }

    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` of the policy nearest to its bound, on every
    /// response: the one that refused, for the longest time if there are several, or the one with
    /// the fewest cells left. The reset is the time when its bucket is full.
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
    /// `RateLimit-Policy` of requests to which every policy applies, and
    /// `Access-Control-Expose-Headers`; empty if they are not sent.
    policies: String,
    exposed: String,
    items: Vec<Item>,
    /// How many items are not of shadows.
    shown: usize,
}

/// A policy in the header fields; empty for shadows.
#[derive(Clone, Debug, Default)]
struct Item {
    /// The whole item in `RateLimit-Policy`.
    policy: String,
    /// How the item in `RateLimit` begins.
    limit: String,
}

impl Rendered {
    pub(crate) fn new(headers: Headers, policies: &[Policy]) -> Self {
        let items: Vec<_> = policies.iter().map(Item::new).collect();
        let shown = || items.iter().filter(|item| !item.limit.is_empty());
        let all = || shown().map(|item| &*item.policy).collect::<Vec<_>>().join(", ");
        Self {
            draft: headers.draft,
            legacy: headers.legacy,
            policies: headers.draft.map(|Draft::V11| all()).unwrap_or_default(),
            exposed: if headers.expose { exposed_names(headers) } else { String::new() },
            shown: shown().count(),
            items,
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

    /// The items of one policy in `RateLimit` and `RateLimit-Policy`; `None` for a shadow.
    fn item(&self, policy: u8, verdict: &Verdict) -> Option<[String; 2]> {
        let item = self.items.get(usize::from(policy)).filter(|item| !item.limit.is_empty())?;
        let (remaining, wait) = (verdict.remaining(), seconds_up(verdict.wait()));
        Some([format!("{}{remaining};t={wait}", item.limit), item.policy.clone()])
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
                (!item.limit.is_empty()).then_some((item, verdict))
            })
        };
        let mut fields = Fields::with_capacity(self.policies.len() + self.exposed.len() + 96);
        // Policies that do not apply to the request are not advertised.
        let is_shown = |question: &&Question| {
            let item = self.items.get(usize::from(question.policy));
            item.is_some_and(|item| !item.limit.is_empty())
        };
        if questions.as_slice().iter().filter(is_shown).count() == self.shown {
            fields.text.extend_from_slice(self.policies.as_bytes());
        } else if self.draft.is_some() {
            for (index, (item, _)) in shown().enumerate() {
                fields.text.extend_from_slice(if index > 0 { b", " } else { b"" });
                fields.text.extend_from_slice(item.policy.as_bytes());
            }
        }
        fields.end(POLICIES);
        let mut is_silent = true;
        for (item, verdict) in shown() {
            if self.draft.is_some() {
                if !is_silent {
                    fields.text.extend_from_slice(b", ");
                }
                fields.text.extend_from_slice(item.limit.as_bytes());
                number(&mut fields.text, verdict.remaining().into());
                fields.text.extend_from_slice(b";t=");
                number(&mut fields.text, seconds_up(verdict.wait()));
            }
            is_silent = false;
        }
        if is_silent {
            return None;
        }
        fields.end(LIMITS);
        if let Some(form) = self.legacy
            && let Some((_, nearest)) = shown().min_by_key(|(_, verdict)| verdict.nearness())
        {
            fields.legacy(legacy_values(&nearest, form, unix));
            fields.reset = self.legacy;
        }
        fields.text.extend_from_slice(self.exposed.as_bytes());
        fields.end(EXPOSED);
        Some(fields)
    }
}

impl Item {
    fn new(policy: &Policy) -> Self {
        if policy.is_shadow() {
            return Self::default();
        }
        let mut name = String::new();
        quoted(&mut name, policy.name());
        let quota = policy.quota();
        let policy = format!("{name};q={};w={}", quota.capacity(), quota.window_seconds());
        Self { policy, limit: name + ";r=" }
    }
}

/// The limit, the cells that are left, and the reset.
fn legacy_values(
    verdict: &Verdict,
    form: LegacyReset,
    unix: impl FnOnce() -> Duration,
) -> [u64; 3] {
    let full_after = verdict.full_after();
    let reset = match form {
        LegacyReset::DeltaSeconds => full_after,
        LegacyReset::UnixSeconds => unix().saturating_add(full_after),
    };
    [verdict.quota.capacity().into(), verdict.remaining().into(), seconds_up(reset)]
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

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
