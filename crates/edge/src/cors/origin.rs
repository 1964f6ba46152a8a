//! Origins as operators write them, and as browsers send them.

use std::fmt;

/// Origins that may read responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `*`: every origin.
    Any,
    /// One origin, as browsers send it.
    One(String),
    /// `https://*.example.com`: what is before and after the subdomain.
    Subdomains { scheme: String, suffix: String },
}

impl Origin {
    /// Parses an operator's text.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::One(text.to_owned())),
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or(Unusable::NoScheme)?;
        let lower = scheme.to_ascii_lowercase();
        if !is_scheme(&lower) {
            return Err(Unusable::NoScheme);
        }
        if lower == "file" {
            return Err(Unusable::File);
        }
        let authority = rest.trim_end_matches('/');
        if authority.contains(['/', '?', '#', '@', ' ', ',', '\\']) {
            return Err(Unusable::NotOnlyAnOrigin);
        }
        if !authority.is_ascii() {
            return Err(Unusable::NotAscii);
        }
        let canonical = canonical(&lower, authority).ok_or(Unusable::NotAHost)?;
        if canonical != text {
            return Err(Unusable::NeverSent { instead: canonical });
        }
        let Some(suffix) = authority.strip_prefix('*') else {
            return Ok(Self::One(canonical));
        };
        // A wildcard for a whole registry, such as `*.com`, admits nearly every site.
        let labels = suffix.split(':').next().unwrap_or_default().split('.');
        if labels.filter(|label| !label.is_empty()).count() < 2 {
            return Err(Unusable::TooWide);
        }
        Ok(Self::Subdomains { scheme: lower, suffix: suffix.to_owned() })
    }

    /// Whether this covers the origin that a browser sent.
    pub(super) fn covers(&self, sent: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(origin) => origin == sent,
            Self::Subdomains { scheme, suffix } => sent
                .strip_prefix(scheme.as_str())
                .and_then(|rest| rest.strip_prefix("://")?.strip_suffix(suffix.as_str()))
                .is_some_and(is_name),
        }
    }

    /// Whether anyone on the network path, or an unnamed site, may use it.
    pub(super) fn is_insecure(&self) -> bool {
        match self {
            Self::Any => true,
            Self::One(origin) => origin == "null" || origin.starts_with("http://"),
            Self::Subdomains { scheme, .. } => scheme == "http",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(origin) => f.write_str(origin),
            Self::Subdomains { scheme, suffix } => write!(f, "{scheme}://*{suffix}"),
        }
    }
}

/// Why a text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    File,
    NeverSent { instead: String },
    NoScheme,
    NotAHost,
    NotAscii,
    NotOnlyAnOrigin,
    TooWide,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a page from a file has the origin `null`; serve it from a host",
            Self::NeverSent { instead } => {
                return write!(f, "browsers never send it in this form; write `{instead}`");
            }
            Self::NoScheme => "it has no scheme; write one before the host, such as `https://`",
            Self::NotAHost => "its host or port is not valid; write `https://app.example:8443`",
            Self::NotAscii => "browsers send such a host in ASCII; write its `xn--` form",
            Self::NotOnlyAnOrigin => {
                "an origin is a scheme, a host and a port; write nothing else, and one at a time"
            }
            Self::TooWide => "the wildcard covers a whole registry; write `https://*.app.example`",
        })
    }
}

/// The origin as browsers send it: lower case, without a default port.
fn canonical(scheme: &str, authority: &str) -> Option<String> {
    let authority = authority.to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an address in brackets is not before a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (&*authority, None),
    };
    let is_address = host.starts_with('[') && host.ends_with(']') && {
        let inner = host.trim_start_matches('[').trim_end_matches(']');
        inner.parse::<std::net::Ipv6Addr>().is_ok()
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    if !is_address && !is_name(name) {
        return None;
    }
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse::<u16>().ok()?)
        }
        Some(_) => return None,
    };
    Some(match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// Whether this is a host name: labels of letters, digits, `-` and `_` in lower case.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    !text.is_empty() && text.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_accepted_as_browsers_send_it() {
        for text in [
            "https://app.example",
            "https://app.example:8443",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "https://[2001:db8::1]:8443",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "https://*.app.example",
            "https://*.app.example:8443",
            "null",
            "*",
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_browsers_never_send_is_refused_with_what_to_write() {
        for (text, advice) in [
            ("https://app.example/", "`https://app.example`"),
            ("https://App.Example", "`https://app.example`"),
            ("HTTPS://app.example", "`https://app.example`"),
            ("https://app.example:443", "`https://app.example`"),
            ("http://app.example:80", "`http://app.example`"),
            ("https://app.example:08443", "`https://app.example:8443`"),
            ("app.example", "no scheme"),
            ("//app.example", "no scheme"),
            ("", "no scheme"),
            ("NULL", "no scheme"),
            ("https://", "not valid"),
            ("https://app..example", "not valid"),
            ("https://app.example:", "not valid"),
            ("https://app.example:99999", "not valid"),
            ("https://*app.example", "not valid"),
            ("https://a.*.example", "not valid"),
            ("https://[::zz]", "not valid"),
            ("https://app.example/path", "nothing else"),
            ("https://app.example?x", "nothing else"),
            ("https://user@app.example", "nothing else"),
            ("https://a.example,https://b.example", "nothing else"),
            (" https://app.example", "no scheme"),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://*.example", "registry"),
            ("https://*.com:8443", "registry"),
            ("https://*", "not valid"),
            ("file:///index.html", "file"),
        ] {
            let error = Origin::parse(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_wildcard_covers_subdomains_and_nothing_that_looks_like_them() {
        let origin = Origin::parse("https://*.app.example").unwrap();
        for sent in ["https://a.app.example", "https://a.b.app.example"] {
            assert!(origin.covers(sent), "{sent}");
        }
        for sent in [
            "https://app.example",
            "https://.app.example",
            "https://evilapp.example",
            "http://a.app.example",
            "https://a.app.example:8443",
            "https://a.app.example.evil.example",
            "https://evil.example/.app.example",
            "https://evil.example#.app.example",
            "https://evil.example:1.app.example",
            "https://user@a.app.example",
            "https://A.app.example",
            "null",
        ] {
            assert!(!origin.covers(sent), "{sent}");
        }
    }
}
