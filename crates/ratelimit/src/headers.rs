//! What responses say about limits.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Batch, Policy, Verdicts};

static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Which headers tell clients about their limits. `Retry-After` stands on every refusal in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    ietf: bool,
}

impl Headers {
    /// None: the default. Headers tell an attacker as much as a friend, and cost an allocation.
    #[must_use]
    pub const fn none() -> Self {
        Self { ietf: false }
    }

    /// `RateLimit-Policy` and `RateLimit` on every response, as in
    /// draft-ietf-httpapi-ratelimit-headers-08 to -11:
    ///
    /// ```text
    /// RateLimit-Policy: "client";q=40;w=2
    /// RateLimit: "client";r=39;t=1
    /// ```
    ///
    /// `q` is the burst and `w` the seconds in which it fills; `r` is the cells left and `t` the
    /// seconds until another one is there. Seconds are rounded up.
    #[must_use]
    pub const fn ietf() -> Self {
        Self { ietf: true }
    }
}

/// The header that is the same on every response, rendered once. `None` if no headers are wanted.
pub(crate) fn render_policies(headers: Headers, policies: &[Policy]) -> Option<HeaderValue> {
    if !headers.ietf {
        return None;
    }
    let mut text = String::new();
    for policy in policies {
        item(&mut text, policy.name());
        let quota = policy.quota();
        // Writing to a String does not fail.
        let _ = write!(text, ";q={};w={}", quota.capacity(), seconds_up(quota.window()).max(1));
    }
    HeaderValue::try_from(text).ok()
}

/// The headers of one response.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    policies: HeaderValue,
    limits: HeaderValue,
}

impl Fields {
    /// Renders the verdicts on the batch; `names` are the names of the limiter's policies.
    pub(crate) fn new(
        policies: &HeaderValue,
        names: &[Policy],
        batch: &Batch,
        verdicts: &Verdicts,
    ) -> Option<Self> {
        let mut text = String::with_capacity(64);
        for (entry, verdict) in verdicts.of(batch) {
            let Some(policy) = names.get(usize::from(entry.policy)) else {
                continue;
            };
            item(&mut text, policy.name());
            let wait = verdict.retry_after().unwrap_or_else(|| verdict.next_cell_after());
            let _ = write!(text, ";r={};t={}", verdict.remaining(), seconds_up(wait));
        }
        let limits = HeaderValue::try_from(text).ok()?;
        Some(Self { policies: policies.clone(), limits })
    }

    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert(RATELIMIT_POLICY.clone(), self.policies);
        headers.insert(RATELIMIT.clone(), self.limits);
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

fn seconds_up(duration: std::time::Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
