//! Whether a browser sent a cookie for a page of another site (cross-site request forgery).

use hardpoint_core::{ClientResolver, Host, Origin, RequestContext, Scheme};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{ORIGIN, UPGRADE},
};

/// Browsers compute it themselves, and scripts cannot set it (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the cookie of this request may have been sent for a page that is neither of the service's
/// own origin nor of a trusted one.
pub(super) fn is_forged<B>(request: &Request<B>, trusted: &[Origin]) -> bool {
    let headers = request.headers();
    has_effects(request.method(), headers)
        && match evidence(headers) {
            Evidence::OwnOrigin => false,
            Evidence::Origin { sent, is_foreign } => {
                let is_trusted = trusted.iter().any(|origin| origin.covers(sent));
                let is_own = || is_own(sent, request.uri(), headers, request.extensions());
                !is_trusted && (is_foreign || !is_own())
            }
            Evidence::None => true,
        }
}

/// Whether the request can change something, or opens a connection that can: browsers let every site
/// open a WebSocket with the user's cookies.
fn has_effects(method: &Method, headers: &HeaderMap) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe || headers.contains_key(UPGRADE)
}

/// What a browser says about the page that caused a request.
#[derive(Debug, PartialEq, Eq)]
enum Evidence<'a> {
    /// A page of the same origin, or the user, caused it.
    OwnOrigin,
    /// A page of this origin caused it, and the browser knows that it is foreign or says nothing.
    Origin { sent: &'a str, is_foreign: bool },
    /// None, or contradictions.
    None,
}

fn evidence(headers: &HeaderMap) -> Evidence<'_> {
    let (Ok(site), Ok(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN)) else {
        return Evidence::None;
    };
    match (site, origin) {
        (Some("same-origin" | "none"), _) => Evidence::OwnOrigin,
        (site, Some(sent)) => Evidence::Origin { sent, is_foreign: site.is_some() },
        (_, None) => Evidence::None,
    }
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
/// A page over plain http is not the service's own if the client uses https. Behind a proxy that does
/// not report the scheme, the host decides alone.
fn is_own(sent: &str, uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let context = RequestContext::find(extensions);
    let asked = uri.authority().and_then(Host::from_authority);
    let resolved = match context.and_then(|context| context.client()) {
        Some(client) => client.clone(),
        None => ClientResolver::direct().resolve(None, headers),
    };
    let client = resolved.or_host(asked);
    let (page, port) = match sent.split_once("://") {
        Some(("https", page)) => (page, ":443"),
        Some(("http", page)) if client.scheme() == Scheme::Http => (page, ":80"),
        _ => return false,
    };
    client.host().is_some_and(|host| {
        let host = host.as_str();
        // Browsers leave out the scheme's own port, and some proxies add it.
        page.eq_ignore_ascii_case(host.strip_suffix(port).unwrap_or(host))
    })
}
