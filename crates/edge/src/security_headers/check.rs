//! Values that browsers ignore without a word.

use http::{
    HeaderName,
    header::{
        CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

pub(super) static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// A year in seconds: what the preload list asks for at least.
const PRELOAD_MAX_AGE: u64 = 31_536_000;

/// Says what is wrong with a value of a header that is known here; others pass.
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

/// A list of which a browser takes the last one that it knows: one that nobody knows is a mistake.
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
            "it names a policy that does not exist; write `no-referrer`, or `strict-origin` if \
             others may learn where users come from",
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
                max_age = Some(seconds.parse::<u64>().map_err(|_| "max-age is in seconds")?);
            }
            ("includesubdomains", None) if !subdomains => subdomains = true,
            ("preload", None) if !preload => preload = true,
            _ => {
                return Err(
                    "its directives are `max-age=<seconds>`, `includeSubDomains` and `preload`, \
                     each once, separated by `;`",
                );
            }
        }
    }
    match max_age {
        None => Err("max-age is missing; write `max-age=31536000`"),
        Some(seconds) if preload && (!subdomains || seconds < PRELOAD_MAX_AGE) => Err(
            "preload takes `includeSubDomains` and a `max-age` of 31536000 or more, or leave it out",
        ),
        Some(_) => Ok(()),
    }
}

fn content_security(value: &str) -> Result<(), &'static str> {
    if value.contains(',') {
        return Err("a comma starts a second policy; separate directives by `;`");
    }
    let mut seen: Vec<String> = Vec::new();
    for directive in value.split(';') {
        let mut words = directive.split_ascii_whitespace();
        let Some(name) = words.next().map(str::to_ascii_lowercase) else {
            continue;
        };
        if seen.contains(&name) {
            return Err("a directive stands twice, and browsers ignore the second one; join them");
        }
        sources(&words.map(str::to_ascii_lowercase).collect::<Vec<_>>())?;
        seen.push(name);
    }
    (!seen.is_empty()).then_some(()).ok_or("it has no directive; write `default-src 'none'`")
}

/// What stands after a directive's name, in lower case.
fn sources(words: &[String]) -> Result<(), &'static str> {
    const KEYWORDS: [&str; 6] =
        ["none", "report-sample", "self", "strict-dynamic", "unsafe-eval", "unsafe-inline"];
    if words.iter().any(|word| KEYWORDS.contains(&word.as_str())) {
        return Err("a keyword without quotes is the name of a host; write `'self'`, `'none'`");
    }
    if words.len() > 1 && words.iter().any(|word| word == "'none'") {
        return Err("`'none'` counts only if it stands alone; leave it out or the others");
    }
    if words.iter().any(|word| word.starts_with("'nonce-")) {
        return Err("a nonce that is the same in each response protects nothing; use a hash");
    }
    Ok(())
}
