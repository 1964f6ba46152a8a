//! Which requests are redirected, and where to. Pure.

use hardpoint_core::{Head, Host};
use http::{
    HeaderName, HeaderValue, Method,
    uri::{Authority, PathAndQuery},
};

/// The name of a host in lowercase; `None` if the text is not one, or has a port.
pub(super) fn host(text: &str) -> Option<Box<str>> {
    let authority = Authority::try_from(text).ok()?;
    let host = Host::from_authority(&authority)?;
    (host.name() == text && !text.ends_with('.')).then(|| text.to_ascii_lowercase().into())
}

/// Where a request over plain HTTP is redirected to; `None` if it is refused.
pub(super) fn location(
    hosts: &[Box<str>],
    credentials: &[HeaderName],
    head: Head<'_>,
    host: Option<&Host>,
    path: Option<&PathAndQuery>,
) -> Option<HeaderValue> {
    let has_credential = credentials.iter().any(|field| head.headers.contains_key(field));
    if has_credential || ![Method::GET, Method::HEAD].contains(head.method) {
        return None;
    }
    // A name with the root's dot is the same host.
    let asked = host?.name();
    let asked = asked.strip_suffix('.').unwrap_or(asked);
    let known = hosts.iter().find(|own| own.eq_ignore_ascii_case(asked))?;
    // Nothing else may follow the host: `*` is a target, too.
    let path = path.map_or("/", PathAndQuery::as_str);
    if !path.starts_with('/') {
        return None;
    }
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
        let credentials = [HeaderName::from_static("authorization")];
        let to = |method: &str, asked: &'static str, path: &str, field: Option<&str>| {
            let mut request = http::Request::builder().method(method).uri("/");
            if let Some(field) = field {
                request = request.header(field, "x");
            }
            let request = request.body(()).unwrap();
            let asked = Host::from_authority(&Authority::from_static(asked));
            let path = PathAndQuery::try_from(path).unwrap();
            let head = Head::new(&request);
            let to = location(&hosts, &credentials, head, asked.as_ref(), Some(&path))?;
            Some(to.to_str().unwrap().to_owned())
        };
        for (asked, path, expected) in [
            ("api.example", "/", "https://api.example/"),
            ("API.example:80", "/a?b=c", "https://api.example/a?b=c"),
            ("api.example.:8080", "/a", "https://api.example/a"),
            ("api.example", "//evil.example/", "https://api.example//evil.example/"),
        ] {
            assert_eq!(to("GET", asked, path, None).as_deref(), Some(expected));
        }
        for asked in ["evil.example", "api.example.evil.example", "xapi.example", "example"] {
            assert_eq!(to("GET", asked, "/", None), None, "{asked}");
        }
        assert_eq!(to("GET", "api.example", "*", None), None, "not https://api.example*");
        assert!(to("HEAD", "api.example", "/", None).is_some());
        for method in ["POST", "OPTIONS", "DELETE", "CONNECT", "get"] {
            assert_eq!(to(method, "api.example", "/", None), None, "{method}");
        }
        assert_eq!(to("GET", "api.example", "/", Some("authorization")), None);
        assert!(to("GET", "api.example", "/", Some("cookie")).is_some(), "browsers send them");
    }
}
