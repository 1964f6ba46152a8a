//! Decides whether a page of another origin may have caused a request with a credential that browsers
//! attach automatically (cross-site request forgery).

use hardpoint_core::{ClientResolver, Host, Origin, RequestContext, Scheme};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request,
    header::{COOKIE, ORIGIN, UPGRADE},
    uri,
};

use super::credentials::Carrier;

/// Set by the browser (W3C Fetch Metadata). Scripts cannot change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Schemes of `Authorization` whose credentials browsers keep and send with every request.
const KEPT_BY_BROWSERS: [&[u8]; 4] = [b"Basic", b"Digest", b"Negotiate", b"NTLM"];

/// Whether a browser may have sent the request's credential, of this carrier, for a page that is
/// neither of the service's own origin nor of a trusted one.
pub(super) fn is_untrusted<B>(
    request: &Request<B>,
    carrier: Carrier<'_>,
    trusted: &[Origin],
) -> bool {
    let is_automatic = match carrier {
        Carrier::Cookie => true,
        Carrier::Header(name) => name == COOKIE,
        Carrier::Scheme(scheme) => {
            KEPT_BY_BROWSERS.iter().any(|kept| kept.eq_ignore_ascii_case(scheme))
        }
    };
    if !is_automatic || !has_effects(request) {
        return false;
    }
    let headers = request.headers();
    let (Ok(site), Ok(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN)) else {
        return true;
    };
    let is_trusted = |sent| trusted.iter().any(|origin| origin.covers(sent));
    match (site, origin) {
        // `none`: the user caused it, by typing an address for example.
        (Some("same-origin" | "none"), _) => false,
        (Some(_), None) => true,
        (Some(_), Some(sent)) => !is_trusted(sent),
        (None, Some(sent)) => !is_trusted(sent) && !is_own(sent, request),
        // Programs that are not browsers rarely have cookies, and often passwords.
        (None, None) => !matches!(carrier, Carrier::Scheme(_)),
    }
}

/// Whether the request can change something, or opens a connection that can: browsers let every site
/// open a WebSocket, as a `GET` with `Upgrade` or, in HTTP/2, as a `CONNECT`.
fn has_effects<B>(request: &Request<B>) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut protocols = request
        .headers()
        .get_all(UPGRADE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
    !is_safe || protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// The value of a field that may occur once; an error if it occurs more often, or is not text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(()),
    }
}

/// Whether a page of this origin was loaded from the host that the request is for.
///
/// A page over plain http is not the service's own if the client uses https. If the scheme is
/// unknown, only the host is compared.
fn is_own<B>(sent: &str, request: &Request<B>) -> bool {
    let context = RequestContext::find(request.extensions());
    let client = context.and_then(|context| context.client());
    let is_https = client.is_some_and(|client| client.scheme() == Scheme::Https)
        || request.uri().scheme() == Some(&uri::Scheme::HTTPS);
    let host = match client.and_then(|client| client.host()) {
        Some(host) => Some(host.clone()),
        None => match request.uri().authority() {
            Some(authority) => Host::from_authority(authority),
            None => ClientResolver::direct().resolve(None, request.headers()).host().cloned(),
        },
    };
    let (page, port) = match sent.split_once("://") {
        Some(("https", page)) => (page, ":443"),
        Some(("http", page)) if !is_https => (page, ":80"),
        _ => return false,
    };
    host.is_some_and(|host| {
        let host = host.as_str();
        // Browsers leave out the scheme's own port, and some proxies add it.
        page.eq_ignore_ascii_case(host.strip_suffix(port).unwrap_or(host))
    })
}
