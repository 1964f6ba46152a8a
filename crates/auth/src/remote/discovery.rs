//! The document that contains the URL of an issuer's keys (OpenID Connect Discovery 1.0, RFC 8414).
//! Pure.

use http::Uri;
use serde::Deserialize;

use super::{
    RefreshErrorKind,
    location::{self, Transport},
};

/// The placeholder of the tenant in Entra's documents.
const TENANT: &str = "{tenantid}";

/// The members that are used. A duplicate one makes the document unreadable.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// An issuer with Entra's placeholder for the first segment of its path: the issuer that a document for
/// several tenants names. `None` if it has no such segment.
pub(super) fn entra_template(issuer: &str) -> Option<String> {
    let (scheme, rest) = issuer.split_once("://")?;
    let mut parts = rest.splitn(3, '/');
    let (host, tenant, version) = (parts.next()?, parts.next()?, parts.next()?);
    (!tenant.is_empty()).then(|| format!("{scheme}://{host}/{TENANT}/{version}"))
}

/// The URL of an issuer's document: a slash at the issuer's end is dropped (§4).
pub(super) fn url_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// The URL of the keys in a document that was fetched `from` there. It must name exactly the
/// `expected` issuer, to the last slash (§4.3).
pub(super) fn keys_url(
    document: &[u8],
    expected: &str,
    from: &Uri,
    transport: Transport,
) -> Result<Uri, RefreshErrorKind> {
    let document: Document =
        serde_json::from_slice(document).map_err(|_| RefreshErrorKind::Malformed)?;
    if document.issuer != expected {
        return Err(RefreshErrorKind::Issuer);
    }
    location::of_keys(&document.jwks_uri, from, transport)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example/realms/a";

    fn read(document: &str) -> Result<Uri, RefreshErrorKind> {
        let from = url_of(ISSUER).parse().unwrap();
        keys_url(document.as_bytes(), ISSUER, &from, Transport::HttpsOnly)
    }

    #[test]
    fn the_document_is_beside_the_issuer() {
        for (issuer, expected) in [
            ("https://x.auth0.com/", "https://x.auth0.com/.well-known/openid-configuration"),
            (ISSUER, "https://id.example/realms/a/.well-known/openid-configuration"),
        ] {
            assert_eq!(url_of(issuer), expected);
        }
    }

    #[test]
    fn another_issuers_document_is_refused() {
        use RefreshErrorKind::{Insecure, Issuer, Malformed, Url};

        let keys = r#""jwks_uri":"https://id.example/keys""#;
        assert!(read(&format!(r#"{{"issuer":"{ISSUER}",{keys},"other":1}}"#)).is_ok());
        for (document, expected) in [
            (format!(r#"{{"issuer":"{ISSUER}/",{keys}}}"#), Issuer),
            (format!(r#"{{"issuer":"https://ID.example/realms/a",{keys}}}"#), Issuer),
            (format!(r#"{{"issuer":"https://evil.example",{keys}}}"#), Issuer),
            (format!(r#"{{{keys}}}"#), Malformed),
            (format!(r#"{{"issuer":1,{keys}}}"#), Malformed),
            (format!(r#"{{"issuer":"{ISSUER}"}}"#), Malformed),
            (format!(r#"{{"issuer":"https://x","issuer":"{ISSUER}",{keys}}}"#), Malformed),
            (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"http://id.example/k"}}"#), Insecure),
            (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://127.0.0.1/k"}}"#), Url),
            (String::from("<html>"), Malformed),
            (String::new(), Malformed),
        ] {
            assert_eq!(read(&document).unwrap_err(), expected, "{document}");
        }
    }

    #[test]
    fn entras_template_stands_for_the_tenant_alone() {
        assert_eq!(
            entra_template("https://login.microsoftonline.com/common/v2.0").unwrap(),
            "https://login.microsoftonline.com/{tenantid}/v2.0"
        );
        for issuer in ["https://login.microsoftonline.com", "https://x/", "https://x//v2.0", "x"] {
            assert_eq!(entra_template(issuer), None, "{issuer}");
        }
    }
}
