//! The URLs that may be fetched. Pure.

use std::net::IpAddr;

use http::Uri;

use super::RefreshErrorKind;

/// Whether plain http is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transport {
    #[default]
    HttpsOnly,
    HttpToo,
}

/// Reads an absolute URL that may be fetched. A URL with a user name is refused: it may contain a
/// secret, and `https://good@evil` deceives its reader.
pub(super) fn parse(text: &str, transport: Transport) -> Result<Uri, RefreshErrorKind> {
    let uri: Uri = text.parse().map_err(|_| RefreshErrorKind::Url)?;
    let authority = uri.authority().ok_or(RefreshErrorKind::Url)?;
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    match uri.scheme_str().filter(|_| is_plain) {
        Some("https") => Ok(uri),
        Some("http") if transport == Transport::HttpToo => Ok(uri),
        Some("http") => Err(RefreshErrorKind::Insecure),
        _ => Err(RefreshErrorKind::Url),
    }
}

/// The URL of the keys in a discovery document.
///
/// They may be on another host, as Google's are. They may not be on this machine or at a bare address,
/// unless the document came from there: no public issuer points into the network of its verifiers.
pub(super) fn of_keys(
    text: &str,
    from: &Uri,
    transport: Transport,
) -> Result<Uri, RefreshErrorKind> {
    let uri = parse(text, transport)?;
    let (host, origin) = (uri.host().unwrap_or_default(), from.host().unwrap_or_default());
    if is_inward(host) && !host.eq_ignore_ascii_case(origin) {
        return Err(RefreshErrorKind::Url);
    }
    Ok(uri)
}

/// A bare address, or this machine.
fn is_inward(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    // Resolvers read `127.1`, `0x7f000001` and `2130706433` as addresses too: no host name of the
    // public Internet has a last label that begins with a digit.
    let numeric =
        name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    numeric || bare.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_what_is_no_url_are_refused() {
        use RefreshErrorKind::{Insecure, Url};

        for (text, expected) in [
            ("https://id.example/keys?x=1", Ok(())),
            ("HTTPS://id.example:8443/", Ok(())),
            ("http://id.example/keys", Err(Insecure)),
            ("ftp://id.example/keys", Err(Url)),
            ("file:///etc/passwd", Err(Url)),
            ("id.example/keys", Err(Url)),
            ("/keys", Err(Url)),
            ("", Err(Url)),
            ("https://user:word@id.example/", Err(Url)),
            ("https://id.example@evil.example/", Err(Url)),
            ("https:///keys", Err(Url)),
        ] {
            assert_eq!(parse(text, Transport::HttpsOnly).map(drop), expected, "{text}");
        }
        assert!(parse("http://id.example/", Transport::HttpToo).is_ok());
    }

    #[test]
    fn a_document_does_not_point_into_the_network_it_is_read_from() {
        let from: Uri = "https://id.example/.well-known/openid-configuration".parse().unwrap();
        for (text, fine) in [
            ("https://id.example/keys", true),
            ("https://www.googleapis.com/oauth2/v3/certs", true),
            ("https://127.0.0.1/keys", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://2130706433/keys", false),
            ("https://127.1/keys", false),
            ("https://0x7f000001/keys", false),
            ("https://[::1]/keys", false),
            ("https://LOCALHOST./keys", false),
            ("https://a.localhost/keys", false),
            ("http://id.example/keys", false),
        ] {
            let read = of_keys(text, &from, Transport::HttpsOnly);
            assert_eq!(read.is_ok(), fine, "{text}");
        }
        let local: Uri = "https://127.0.0.1:8443/x".parse().unwrap();
        assert!(of_keys("https://127.0.0.1:9000/keys", &local, Transport::HttpsOnly).is_ok());
    }
}
