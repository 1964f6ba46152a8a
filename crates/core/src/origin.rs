//! Origins that an operator trusts.

use std::{fmt, net::Ipv6Addr};

/// The origin of a page (RFC 6454), or of all subdomains of a host, as browsers send it in `Origin`.
///
/// A text that a browser never sends is an error, and the error contains the text to write instead:
/// otherwise the setting would silently match nothing.
///
/// ```
/// use hardpoint_core::Origin;
///
/// let app = Origin::parse("https://app.example:8443")?;
/// assert!(app.covers("https://app.example:8443"));
///
/// let tenants = Origin::parse("https://*.app.example")?;
/// assert!(tenants.covers("https://a.app.example"));
///
/// for text in ["https://App.example/", "http://app.example", "*", "null"] {
///     assert!(Origin::parse(text).is_err());
/// }
/// # Ok::<(), hardpoint_core::OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    hosts: Hosts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// One origin, as browsers send it.
    One(Box<str>),
    /// `https://*.example.com`: what is before and after the subdomain.
    Subdomains { scheme: Box<str>, suffix: Box<str> },
}

impl Origin {
    /// The origin in this text: `https://app.example`, with a port unless it is the scheme's own, or
    /// `https://*.app.example` for every subdomain.
    ///
    /// # Errors
    /// [`OriginError`] if browsers never send such an origin, if the wildcard is directly before a
    /// top-level domain, or if the scheme is `http`, because anyone on the network path can alter its
    /// pages. Other domains under which anyone gets a name, such as `co.uk` and `github.io`, are not
    /// detected.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let origin = Self::insecure_parse(text)?;
        if origin.is_plain_http() {
            return Err(OriginError { text: text.into(), mistake: Mistake::PlainHttp });
        }
        Ok(origin)
    }

    /// Like [`parse`](Self::parse), but also accepts plain http: for development, where a page comes
    /// from `http://localhost:5173`.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), except that plain http is accepted.
    pub fn insecure_parse(text: &str) -> Result<Self, OriginError> {
        match Hosts::parse(text) {
            Ok(hosts) => Ok(Self { hosts }),
            Err(mistake) => Err(OriginError { text: text.into(), mistake }),
        }
    }

    /// Whether this is, or covers, the origin that a browser sent.
    #[must_use]
    pub fn covers(&self, sent: &str) -> bool {
        match &self.hosts {
            Hosts::One(origin) => **origin == *sent,
            Hosts::Subdomains { scheme, suffix } => sent
                .strip_prefix(&**scheme)
                .and_then(|rest| rest.strip_prefix("://")?.strip_suffix(&**suffix))
                .is_some_and(is_name),
        }
    }

    /// Whether the scheme is `http`, so that anyone on the network path can alter its pages.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        match &self.hosts {
            Hosts::One(origin) => origin.starts_with("http://"),
            Hosts::Subdomains { scheme, .. } => **scheme == *"http",
        }
    }
}

impl Hosts {
    fn parse(text: &str) -> Result<Self, Mistake> {
        if matches!(text, "*" | "null") {
            return Err(Mistake::EverySite);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Mistake::NoScheme)?;
        let lower = scheme.to_ascii_lowercase();
        if !is_scheme(&lower) {
            return Err(Mistake::NoScheme);
        }
        if lower == "file" {
            return Err(Mistake::File);
        }
        if let Some(tls) = lower.strip_prefix("ws").filter(|tls| matches!(*tls, "" | "s")) {
            return Err(Mistake::NeverSent { instead: format!("http{tls}://{rest}") });
        }
        let authority = rest.trim_end_matches('/');
        if authority.contains(['/', '?', '#', '@', ' ', ',', '\\']) {
            return Err(Mistake::NotOnlyAnOrigin);
        }
        if !authority.is_ascii() {
            return Err(Mistake::NotAscii);
        }
        let canonical = canonical(&lower, authority).ok_or(Mistake::NotAHost)?;
        if canonical != text {
            return Err(Mistake::NeverSent { instead: canonical });
        }
        let Some(suffix) = authority.strip_prefix('*') else {
            return Ok(Self::One(canonical.into()));
        };
        // A wildcard for a top-level domain, such as `*.com`, covers nearly every site.
        let labels = suffix.split(':').next().unwrap_or_default().split('.');
        if labels.filter(|label| !label.is_empty()).count() < 2 {
            return Err(Mistake::TooWide);
        }
        Ok(Self::Subdomains { scheme: lower.into(), suffix: suffix.into() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::One(origin) => f.write_str(origin),
            Hosts::Subdomains { scheme, suffix } => write!(f, "{scheme}://*{suffix}"),
        }
    }
}

/// Why a text is not an origin that browsers send. The message contains what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    text: Box<str>,
    mistake: Mistake,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mistake {
    EverySite,
    File,
    NeverSent { instead: String },
    NoScheme,
    NotAHost,
    NotAscii,
    NotOnlyAnOrigin,
    PlainHttp,
    TooWide,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, mistake } = self;
        write!(f, "origin {text:?}: {mistake}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EverySite => "pages of every site can have it; write the origin of one",
            Self::File => "a page from a file has the origin `null`; serve it from a host",
            Self::NeverSent { instead } => {
                return write!(f, "browsers never send it in this form; write `{instead}`");
            }
            Self::NoScheme => "it has no scheme; write one before the host, such as `https://`",
            Self::NotAHost => "its host or port is not valid; write `https://app.example:8443`",
            Self::NotAscii => "browsers send such a host in ASCII; write its `xn--` form",
            Self::NotOnlyAnOrigin => {
                "an origin is a scheme, a host and a port; remove everything else, and write one origin \
                 at a time"
            }
            Self::PlainHttp => {
                "it is not encrypted, so anyone on the network path can alter its pages; write its \
                 https form"
            }
            Self::TooWide => "the wildcard covers a whole top-level domain; write `https://*.app.example`",
        })
    }
}

impl std::error::Error for OriginError {}

/// The origin as browsers send it: lower case, without a default port.
fn canonical(scheme: &str, authority: &str) -> Option<String> {
    let authority = authority.to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an address in brackets is not before a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (&*authority, None),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(in_brackets);
    let name = host.strip_prefix("*.").unwrap_or(host);
    let host = match address {
        Some(address) => address?,
        None => is_name(name).then(|| host.to_owned())?,
    };
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

/// An IPv6 address as browsers write it (WHATWG URL): compressed, and in hexadecimal even if it
/// embeds an IPv4 address.
fn in_brackets(text: &str) -> Option<String> {
    let address: Ipv6Addr = text.parse().ok()?;
    let [.., high, low] = address.segments();
    Some(match address.to_ipv4_mapped() {
        Some(_) => format!("[::ffff:{high:x}:{low:x}]"),
        None => format!("[{address}]"),
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
        ] {
            assert_eq!(Origin::insecure_parse(text).unwrap().to_string(), text);
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
            ("null", "every site"),
            ("*", "every site"),
            ("wss://app.example", "`https://app.example`"),
            ("ws://app.example:8080", "`http://app.example:8080`"),
            ("https://[2001:db8:0:0::1]", "`https://[2001:db8::1]`"),
            ("https://[::ffff:1.2.3.4]:8443", "`https://[::ffff:102:304]:8443`"),
            ("https://", "not valid"),
            ("https://app..example", "not valid"),
            ("https://app.example:", "not valid"),
            ("https://app.example:99999", "not valid"),
            ("https://*app.example", "not valid"),
            ("https://a.*.example", "not valid"),
            ("https://[::zz]", "not valid"),
            ("https://[[::1]]", "not valid"),
            ("https://app.example/path", "remove everything else"),
            ("https://app.example?x", "remove everything else"),
            ("https://user@app.example", "remove everything else"),
            ("https://a.example,https://b.example", "remove everything else"),
            (" https://app.example", "no scheme"),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://*.example", "top-level"),
            ("https://*.com:8443", "top-level"),
            ("https://*", "not valid"),
            ("file:///index.html", "file"),
        ] {
            let error = Origin::insecure_parse(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text:?}: {error}");
        }
    }

    #[test]
    fn plain_http_needs_the_insecure_constructor() {
        for text in ["http://app.example", "http://localhost:5173", "http://*.app.example"] {
            let error = Origin::parse(text).unwrap_err().to_string();
            assert!(error.contains("not encrypted"), "{text}: {error}");
            assert!(Origin::insecure_parse(text).unwrap().is_plain_http(), "{text}");
        }
        assert!(!Origin::parse("capacitor://localhost").unwrap().is_plain_http());
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
