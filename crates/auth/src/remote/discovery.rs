//! The document that contains the URL of an issuer's keys (OpenID Connect Discovery 1.0, RFC 8414).
//! Pure.

use http::Uri;
use serde::Deserialize;

use super::{
    RefreshError, RefreshErrorKind,
    fetch::quoted,
    location::{self, Transport},
};

/// The placeholder of the tenant in Entra's documents.
const TENANT: &str = "{tenantid}";

/// What some servers send before JSON, which does not have it (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
) -> Result<Uri, RefreshError> {
    let text = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    let read = serde_json::from_slice(text);
    let Document { issuer, jwks_uri } = read.map_err(|_| {
        RefreshError::malformed(text, "a discovery document with `issuer` and `jwks_uri`")
    })?;
    if issuer != expected {
        let (expected, found) = (quoted(expected), quoted(&issuer));
        let detail = format!("expected the issuer {expected}, found {found}");
        return Err(RefreshError::new(RefreshErrorKind::Issuer, detail));
    }
    Ok(location::of_keys(&jwks_uri, from, transport)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example/realms/a";

    fn read(document: &str) -> Result<Uri, RefreshErrorKind> {
        let from = url_of(ISSUER).parse().unwrap();
        let read = keys_url(document.as_bytes(), ISSUER, &from, Transport::HttpsOnly);
        read.map_err(|error| error.kind())
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

    #[test]
    fn an_error_names_what_was_expected_and_what_was_found() {
        let from = url_of(ISSUER).parse().unwrap();
        let read = |document: &[u8]| {
            keys_url(document, ISSUER, &from, Transport::HttpsOnly).unwrap_err().to_string()
        };
        let slash = read(br#"{"issuer":"https://id.example/realms/a/","jwks_uri":"https://x/k"}"#);
        assert!(slash.contains("\"https://id.example/realms/a\", found"), "{slash}");
        assert!(slash.ends_with("\"https://id.example/realms/a/\""), "{slash}");
        let long = format!(r#"{{"issuer":"{}\u001b","jwks_uri":""}}"#, "a".repeat(500));
        assert!(read(long.as_bytes()).len() < 400 && !read(long.as_bytes()).contains('\x1b'));
        for (body, expected) in [
            (&b"\x1f\x8b\x08"[..], "gzip"),
            (b"<!DOCTYPE html>", "HTML"),
            (b"  ", "empty"),
            (b"{}", "other members"),
            (b"[]", "array"),
            (b"error", "not JSON"),
        ] {
            assert!(read(body).contains(expected), "{}", read(body));
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        let document =
            r#"{"issuer":"https://id.example/realms/a","jwks_uri":"https://x.example/k"}"#;
        assert!(read(&format!("\u{feff}{document}")).is_ok());
    }
}
