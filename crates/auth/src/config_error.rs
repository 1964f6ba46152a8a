//! Settings that make no sense.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

/// Something cannot be set up as it is configured.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// This cannot be the prefix of API keys.
    #[error(
        "{0:?} cannot be the prefix of API keys; write 2 to 32 characters of a-z, 0-9 and _ that start \
         with a letter and do not end with _, such as acme_live"
    )]
    ApiKeyPrefix(String),
    /// The text has no certificate authority, or one that cannot be read.
    #[error(
        "the text has no readable certificate authority; pass the whole PEM file, from \
         -----BEGIN CERTIFICATE to -----END CERTIFICATE"
    )]
    Authorities(#[source] Option<Arc<dyn Error + Send + Sync>>),
    /// A URL with plain http, without `insecure_http()`.
    #[error(
        "{0:?} is plain http, so an attacker on the way could replace the keys; write https, or call \
         insecure_http() for a test"
    )]
    Insecure(String),
    /// A base for links in messages with plain http, beyond the loopback interface.
    #[error(
        "{0:?} is plain http, so everyone on the way could take the tokens of links; write https"
    )]
    InsecureLink(String),
    /// A leeway above 5 minutes beside a revocation.
    #[error(
        "with a leeway of {0:?} a revoked token would be accepted again after its revocation is \
         forgotten; write at most 5 minutes"
    )]
    Leeway(Duration),
    /// Settings of a lockout contradict each other.
    #[error("{0}")]
    Lockout(&'static str),
    /// A profile allows longer tokens or headers than can be read.
    #[error(
        "a profile allows tokens of {token} bytes and headers of {header} characters; write at most \
         40960 and 8192"
    )]
    LongToken {
        /// The longest token, in bytes.
        token: usize,
        /// The longest header, in base64url characters.
        header: usize,
    },
    /// A profile without a subject, or that does not check for whom a token is meant.
    #[error(
        "a profile has no subject or no audience, so tokens for other services would be accepted; add \
         Need::audience_in() and a claim to subjects()"
    )]
    LooseProfile,
    /// A server for outgoing mail cannot be used as it is configured.
    #[error("{0}")]
    Mail(Cow<'static, str>),
    /// A profile reads more claims than these.
    #[error("a profile reads at most {claims} claims, {scopes} of them with scopes; name fewer")]
    ManyClaims {
        /// The most claims.
        claims: usize,
        /// The most claims with scopes.
        scopes: usize,
    },
    /// This issuer has no audience.
    #[error("the issuer {0:?} has no audience; call audience() with the `aud`")]
    NoAudience(String),
    /// The tenants of this template are not listed.
    #[error(
        "the issuer {0:?} is a template without tenants; list them with tenants(), or accept every \
         tenant with dangerous_any_tenant()"
    )]
    NoTenants(String),
    /// This template does not have exactly one claim in braces.
    #[error("the issuer {0:?} is not a template; write one claim in braces, such as {{tid}}")]
    Template(String),
    /// No issuer, or one without a name.
    #[error("the issuer has no name; call issuer() with the `iss`")]
    NoIssuer,
    /// Remote keys were started outside of a tokio runtime.
    #[error("a task keeps remote keys fresh; call start() inside a tokio runtime")]
    NoRuntime,
    /// This issuer does not fit Entra's template.
    #[error("{0:?} has no tenant; write https://login.microsoftonline.com/common/v2.0")]
    NoTenant(String),
    /// A timeout of zero.
    #[error("with a timeout of 0 no fetch succeeds; write at least 1 ms")]
    NoTime,
    /// Settings of sessions contradict each other.
    #[error("{0}")]
    Session(&'static str),
    /// The certificate authorities of the system cannot be read, or are missing.
    #[error(
        "the system has no readable certificate authorities; install ca-certificates, set \
         SSL_CERT_FILE, or pass them to trusting_pem()"
    )]
    SystemAuthorities(#[source] Arc<dyn Error + Send + Sync>),
    /// A text that is not a URL, or a URL with a user name, which is not shown.
    #[error("{0:?} cannot be fetched; write https://host/path, without a user name")]
    Url(String),
}
