//! Detects values that browsers silently ignore.

use http::{
    HeaderName,
    header::{
        CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

pub(super) static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// A year in seconds: the minimum for the preload list.
const PRELOAD_MAX_AGE: u64 = 31_536_000;

/// Returns what is wrong with a value of a known header. Other headers pass.
pub(super) fn check(name: &HeaderName, value: &str) -> Result<(), &'static str> {
    if name == X_CONTENT_TYPE_OPTIONS {
        one_of(value, &["nosniff"], "write `nosniff`")
    } else if name == X_FRAME_OPTIONS {
        one_of(value, &["deny", "sameorigin"], "write `DENY` or `SAMEORIGIN`")
    } else if name == REFERRER_POLICY {
        referrer_policy(value)
    } else if name == STRICT_TRANSPORT_SECURITY {
        transport_security(value)
    } else if name == CONTENT_SECURITY_POLICY || name == CONTENT_SECURITY_POLICY_REPORT_ONLY {
        content_security(value)
    } else if *name == CROSS_ORIGIN_RESOURCE_POLICY {
        one_of(
            value,
            &["same-origin", "same-site", "cross-origin"],
            "write `same-origin`, `same-site` or `cross-origin`",
        )
    } else {
        Ok(())
    }
}

fn one_of(value: &str, allowed: &[&str], reason: &'static str) -> Result<(), &'static str> {
    let known = allowed.iter().any(|word| value.eq_ignore_ascii_case(word));
    known.then_some(()).ok_or(reason)
}

/// Checks a list of policies. Browsers use the last one they know, so an unknown one is a mistake.
fn referrer_policy(value: &str) -> Result<(), &'static str> {
    const POLICIES: [&str; 8] = [
        "no-referrer",
        "no-referrer-when-downgrade",
        "origin",
        "origin-when-cross-origin",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
        "unsafe-url",
    ];
    value.split(',').try_for_each(|policy| {
        one_of(
            policy.trim(),
            &POLICIES,
            "it contains a policy that does not exist; write `no-referrer`, or `strict-origin` if \
             other sites may see your origin",
        )
    })
}

fn transport_security(value: &str) -> Result<(), &'static str> {
    let (mut max_age, mut subdomains, mut preload) = (None, false, false);
    for directive in value.split(';').map(str::trim) {
        let (name, argument) = match directive.split_once('=') {
            Some((name, argument)) => (name.trim(), Some(argument.trim())),
            None => (directive, None),
        };
        match (name.to_ascii_lowercase().as_str(), argument) {
            ("max-age", Some(seconds)) if max_age.is_none() => {
                let seconds = seconds.trim_matches('"');
                max_age = Some(seconds.parse::<u64>().map_err(|_| "max-age must be in seconds")?);
            }
            ("includesubdomains", None) if !subdomains => subdomains = true,
            ("preload", None) if !preload => preload = true,
            _ => {
                return Err(
                    "the directives are `max-age=<seconds>`, `includeSubDomains` and `preload`, \
                     each at most once, separated by `;`",
                );
            }
        }
    }
    match max_age {
        None => Err("max-age is missing; write `max-age=31536000`"),
        Some(seconds) if preload && (!subdomains || seconds < PRELOAD_MAX_AGE) => Err(
            "preload requires `includeSubDomains` and a `max-age` of at least 31536000; set them or \
             remove `preload`",
        ),
        Some(_) => Ok(()),
    }
}

fn content_security(value: &str) -> Result<(), &'static str> {
    if value.contains(',') {
        return Err("a comma starts a second policy; separate directives with `;`");
    }
    let mut seen: Vec<String> = Vec::new();
    for directive in value.split(';') {
        let mut words = directive.split_ascii_whitespace();
        let Some(name) = words.next().map(str::to_ascii_lowercase) else {
            continue;
        };
        if seen.contains(&name) {
            return Err("it repeats a directive, and browsers ignore the second one; merge them");
        }
        sources(&words.map(str::to_ascii_lowercase).collect::<Vec<_>>())?;
        seen.push(name);
    }
    (!seen.is_empty()).then_some(()).ok_or("it has no directive; write `default-src 'none'`")
}

/// Checks the words after a directive's name, in lower case.
fn sources(words: &[String]) -> Result<(), &'static str> {
    const KEYWORDS: [&str; 6] =
        ["none", "report-sample", "self", "strict-dynamic", "unsafe-eval", "unsafe-inline"];
    if words.iter().any(|word| KEYWORDS.contains(&word.as_str())) {
        return Err("a keyword without quotes is parsed as a host; write `'self'`, `'none'`");
    }
    if words.len() > 1 && words.iter().any(|word| word == "'none'") {
        return Err("`'none'` is ignored beside other sources; remove it or the others");
    }
    if words.iter().any(|word| word.starts_with("'nonce-")) {
        return Err("a nonce that is the same in every response protects nothing; use a hash");
    }
    Ok(())
}
