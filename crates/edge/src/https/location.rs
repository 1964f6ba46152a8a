//! Which requests are redirected, and where to. Pure.

use hardpoint_core::Host;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
    uri::{Authority, PathAndQuery},
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The name of a host in lowercase; `None` if the text is not one, or has a port.
pub(super) fn host(text: &str) -> Option<Box<str>> {
    let authority = Authority::try_from(text).ok()?;
    let host = Host::from_authority(&authority)?;
    (host.name() == text && !text.ends_with('.')).then(|| text.to_ascii_lowercase().into())
}

/// Where a request over plain HTTP is redirected to; `None` if it is refused.
pub(super) fn location(
    hosts: &[Box<str>],
    method: &Method,
    headers: &HeaderMap,
    host: Option<&Host>,
    path: Option<&PathAndQuery>,
) -> Option<HeaderValue> {
    let has_credential =
        [AUTHORIZATION, PROXY_AUTHORIZATION, API_KEY].iter().any(|name| headers.contains_key(name));
    if has_credential || ![Method::GET, Method::HEAD].contains(method) {
        return None;
    }
    // A name with the root's dot is the same host.
    let asked = host?.name();
    let asked = asked.strip_suffix('.').unwrap_or(asked);
    let known = hosts.iter().find(|own| own.eq_ignore_ascii_case(asked))?;
    let path = path.map_or("/", PathAndQuery::as_str);
    HeaderValue::try_from(format!("https://{known}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_without_a_port() {
        for (text, expected) in [
            ("api.example", "api.example"),
            ("API.Example", "api.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(host(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "https://api.example",
            "api.example/",
            "api.example:443",
            "[2001:db8::1]:443",
            "user@api.example",
            "*.example",
            "api example",
            "api.example.",
            "a,b",
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_may_be_sent_again_is_redirected_and_only_to_a_listed_host() {
        let hosts = [host("api.example").unwrap()];
        let to = |method: &Method,
                  asked: &'static str,
                  path: &'static str,
                  field: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(field) = field {
                headers.insert(field, HeaderValue::from_static("x"));
            }
            let asked = Host::from_authority(&Authority::from_static(asked));
            let path = PathAndQuery::from_static(path);
            let location = location(&hosts, method, &headers, asked.as_ref(), Some(&path))?;
            Some(location.to_str().unwrap().to_owned())
        };
        let get = |asked, path| to(&Method::GET, asked, path, None);
        for (asked, path, expected) in [
            ("api.example", "/", "https://api.example/"),
            ("API.example:80", "/a?b=c", "https://api.example/a?b=c"),
            ("api.example.:8080", "/a", "https://api.example/a"),
            ("api.example", "//evil.example/", "https://api.example//evil.example/"),
        ] {
            assert_eq!(get(asked, path).as_deref(), Some(expected));
        }
        for asked in ["evil.example", "api.example.evil.example", "xapi.example", "example"] {
            assert_eq!(get(asked, "/"), None, "{asked}");
        }
        assert!(to(&Method::HEAD, "api.example", "/", None).is_some());
        for method in [Method::POST, Method::OPTIONS, Method::DELETE, Method::CONNECT] {
            assert_eq!(to(&method, "api.example", "/", None), None, "{method}");
        }
        for field in ["authorization", "proxy-authorization", "x-api-key"] {
            assert_eq!(to(&Method::GET, "api.example", "/", Some(field)), None, "{field}");
        }
        assert!(
            to(&Method::GET, "api.example", "/", Some("cookie")).is_some(),
            "browsers send them"
        );
        assert!(location(&hosts, &Method::GET, &HeaderMap::new(), None, None).is_none());
    }
}
