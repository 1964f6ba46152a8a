//! Fetching over https with hyper and rustls.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::USER_AGENT};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{Fetch, FetchError};

/// How much of an answer's head is read.
const HEAD: usize = 64 * 1024;
/// Some front doors refuse whoever does not say what it is.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hardpoint-auth/", env!("CARGO_PKG_VERSION")));
/// A host with several addresses, of which one is dead, is reached through another in time.
const CONNECT: Duration = Duration::from_secs(2);

/// Fetches over https (TLS 1.2 and 1.3, HTTP/1.1), and over http where the caller allows it.
///
/// The cryptography is aws-lc, chosen here and not for the whole process. It follows no redirect,
/// keeps no cookie, reads no proxy from the environment, and closes each connection: the next fetch
/// is an hour away. Clones share the certificates.
#[derive(Clone)]
pub struct HttpFetch {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl HttpFetch {
    /// Trusts the certificate authorities that the system trusts, or those that the variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    ///
    /// # Errors
    /// [`HttpFetchError`] if there are none, as in an empty container.
    pub fn new() -> Result<Self, HttpFetchError> {
        let config = builder()?.with_native_roots().map_err(HttpFetchError::system)?;
        Ok(Self::of(config.with_no_client_auth()))
    }

    /// Trusts only the certificate authorities of this PEM text: for an issuer with a private one, or
    /// a container that has none.
    ///
    /// # Errors
    /// [`HttpFetchError`] if there is none in it, or one that is no certificate.
    pub fn trusting_pem(authorities: &str) -> Result<Self, HttpFetchError> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let authority = authority.map_err(HttpFetchError::given)?;
            roots.add(authority).map_err(HttpFetchError::given)?;
        }
        if roots.is_empty() {
            return Err(HttpFetchError { system: false, cause: None });
        }
        let config = builder()?.with_root_certificates(roots);
        Ok(Self::of(config.with_no_client_auth()))
    }

    fn of(config: ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(HEAD)
            .build(connector);
        Self { client }
    }
}

type Wanting = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<Wanting, HttpFetchError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(HttpFetchError::system)
}

impl Fetch for HttpFetch {
    async fn fetch(
        &self,
        request: Request<()>,
        limit: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = request.map(|()| Empty::new());
        request.headers_mut().insert(USER_AGENT, AGENT);
        let response = self.client.request(request).await.map_err(FetchError::unreachable)?;
        let (head, body) = response.into_parts();
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::too_large()),
            Err(error) => Err(FetchError::unreachable(error)),
        }
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").finish_non_exhaustive()
    }
}

/// There is no certificate authority to trust.
#[derive(Debug)]
pub struct HttpFetchError {
    system: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl HttpFetchError {
    fn system(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { system: true, cause: Some(cause.into()) }
    }

    fn given(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { system: false, cause: Some(cause.into()) }
    }
}

impl fmt::Display for HttpFetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.system {
            "the system has no certificate authorities that can be read; install ca-certificates, \
             set SSL_CERT_FILE, or give them with trusting_pem()"
        } else {
            "the text has no certificate authority that can be read; write the whole PEM file, from \
             -----BEGIN CERTIFICATE to -----END CERTIFICATE"
        })
    }
}

impl Error for HttpFetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
