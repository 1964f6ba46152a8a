//! Removes forwarding headers that no trusted proxy has written.

use hardpoint_core::Family;
use http::{HeaderMap, HeaderName, header::FORWARDED};

/// The headers of proxies that do not write `Forwarded`. The list is longer than what the resolver
/// reads: frameworks and handlers build URLs and log lines from the others.
static X_FORWARDED: [HeaderName; 8] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-real-ip"),
];

/// Keeps only the headers of the `believed` family, if any.
pub(super) fn strip(headers: &mut HeaderMap, believed: Option<Family>) {
    match believed {
        Some(Family::Forwarded) => {
            for name in &X_FORWARDED {
                headers.remove(name);
            }
        }
        Some(Family::XForwarded) => {
            headers.remove(FORWARDED);
        }
        // Also for a family that this layer does not know.
        _ => strip_all(headers),
    }
}

/// Removes every header that describes a client or its connection.
fn strip_all(headers: &mut HeaderMap) {
    // Empty, and so without an allocation, except for clients that send such headers.
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| speaks_of_the_client(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Returns `true` for a header in which proxies or CDNs pass on a client's address or connection.
fn speaks_of_the_client(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(
            name,
            "cf-connecting-ip"
                | "forwarded"
                | "true-client-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-forwarded-for"
                | "x-real-ip"
        )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(believed: Option<Family>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        let others = ["forwarded", "host", "x-request-id", "x-forwarded"];
        let names = X_FORWARDED.iter().map(HeaderName::as_str).chain(others);
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name.clone(), HeaderValue::from_static("first line"));
            headers.append(name, HeaderValue::from_static("second line"));
        }
        strip(&mut headers, believed);
        let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
        left.sort();
        left
    }

    #[test]
    fn nothing_that_names_a_client_is_left_of_a_strangers_headers() {
        let mut headers = HeaderMap::new();
        for name in [
            "cf-connecting-ip",
            "forwarded",
            "true-client-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-forwarded-proto",
            "x-forwarded-scheme",
            "x-forwarded-server",
            "x-forwarded-ssl",
            "x-forwarded-user",
            "x-original-forwarded-for",
            "x-real-ip",
            // These stay.
            "host",
            "x-request-id",
        ] {
            headers.append(name, HeaderValue::from_static("first line"));
            headers.append(name, HeaderValue::from_static("second line"));
        }
        strip(&mut headers, None);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["host", "x-request-id"]);
    }

    #[test]
    fn only_the_family_that_a_proxy_vouches_for_is_left() {
        let unrelated = ["host", "x-forwarded", "x-request-id"];
        assert_eq!(left(None), unrelated);
        assert_eq!(
            left(Some(Family::Forwarded)),
            ["forwarded", "host", "x-forwarded", "x-request-id"]
        );
        let with_x_forwarded = left(Some(Family::XForwarded));
        assert!(!with_x_forwarded.contains(&"forwarded".to_owned()));
        assert_eq!(with_x_forwarded.len(), unrelated.len() + X_FORWARDED.len());
    }
}
