//! Fetching over https with hyper and rustls.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::USER_AGENT};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, builderstates::WantsSchemes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{Fetch, FetchError, Fetching};
use crate::ConfigError;

/// The longest head of a response.
const HEAD: usize = 64 * 1024;
/// Some proxies refuse clients without this field.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hardpoint-auth/", env!("CARGO_PKG_VERSION")));
/// Short enough to try another address of a host if one is dead.
const CONNECT: Duration = Duration::from_secs(2);

/// Fetches over https (TLS 1.2 and 1.3, HTTP/1.1), and over http where the caller allows it.
///
/// It uses aws-lc without installing it for the whole process. It follows no redirects, keeps no
/// cookies, reads no proxy from the environment, and closes each connection, since the next fetch is
/// an hour away. Clones share the certificates.
#[derive(Clone)]
pub struct HttpFetch {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl HttpFetch {
    /// Trusts the certificate authorities of the system, or those in the variables `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR`.
    ///
    /// # Errors
    /// [`ConfigError`] if there are none, as in an empty container.
    pub fn new() -> Result<Self, ConfigError> {
        let provider = aws_lc_rs::default_provider();
        let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        Ok(Self::connecting(tls.map_err(system)?))
    }

    /// Trusts only the certificate authorities in this PEM text: for an issuer with a private one,
    /// or a container without any.
    ///
    /// # Errors
    /// [`ConfigError`] if the text contains none, or one that cannot be read.
    pub fn trusting_pem(pem: &str) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let authority = authority.map_err(given)?;
            roots.add(authority).map_err(given)?;
        }
        if roots.is_empty() {
            return Err(ConfigError::Authorities(None));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(given)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::connecting(HttpsConnectorBuilder::new().with_tls_config(config)))
    }

    fn connecting(tls: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        let connector = tls.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(HEAD)
            .build(connector);
        Self { client }
    }
}

fn system(cause: impl Error + Send + Sync + 'static) -> ConfigError {
    ConfigError::SystemAuthorities(Arc::new(cause))
}

fn given(cause: impl Error + Send + Sync + 'static) -> ConfigError {
    ConfigError::Authorities(Some(Arc::new(cause)))
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: Request<()>, limit: usize) -> Fetching<'_> {
        let mut request = request.map(|()| Empty::new());
        request.headers_mut().insert(USER_AGENT, AGENT);
        let response = self.client.request(request);
        Box::pin(async move {
            let (head, body) =
                response.await.map_err(|error| FetchError::Unreachable(error.into()))?.into_parts();
            match Limited::new(body, limit).collect().await {
                Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
                Err(error) => Err(FetchError::Unreachable(error)),
            }
        })
    }
}

debug_only!(HttpFetch {});
