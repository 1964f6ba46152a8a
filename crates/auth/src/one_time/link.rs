//! The links that messages contain.

use std::net::IpAddr;

use hardpoint_core::Secret;
use http::Uri;

use crate::ConfigError;

/// The base of the links in messages: a configured address, never the `Host` of a request, with
/// which an attacker could have the victim's token sent to the attacker's server.
///
/// ```
/// use hardpoint_auth::one_time::LinkBase;
/// use hardpoint_core::Secret;
///
/// let base = LinkBase::new("https://app.example")?;
/// let link = base.link("/password-reset", &Secret::from("hot_x"));
/// assert_eq!(link.expose(), "https://app.example/password-reset#token=hot_x");
/// assert!(LinkBase::new("http://app.example").is_err());
/// # Ok::<(), hardpoint_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkBase {
    base: String,
    host: String,
}

impl LinkBase {
    /// Links to this base: `https://host` or `https://host/path`. Plain http is accepted for the
    /// loopback interface only.
    ///
    /// # Errors
    /// [`ConfigError::Url`] or [`ConfigError::InsecureLink`].
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::Url(if url.contains('@') { String::new() } else { url.into() });
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        let authority = parsed.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || parsed.query().is_some() || url.contains('#') {
            return Err(wrong());
        }
        let host = authority.host();
        match parsed.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(host) => {}
            Some("http") => return Err(ConfigError::InsecureLink(url.to_owned())),
            _ => return Err(wrong()),
        }
        Ok(Self { base: url.trim_end_matches('/').to_owned(), host: host.to_owned() })
    }

    /// The host of the links.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The link to a page, with the token in its fragment: browsers send that neither to the server,
    /// whose log would keep it, nor to other sites as a `Referer`. The page reads it and sends it by
    /// `POST`.
    #[must_use]
    pub fn link(&self, path: &str, token: &Secret<str>) -> Secret<str> {
        let slash = if path.starts_with('/') { "" } else { "/" };
        Secret::from(format!("{}{slash}{path}#token={}", self.base, token.expose()))
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
