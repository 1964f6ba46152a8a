//! The destination of one signal.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::Scheme};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{otlp::counts::Signal, pairs};

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Protocol {
    /// OTLP/gRPC: HTTP/2, with prior knowledge without TLS.
    Grpc,
    /// OTLP/HTTP with protobuf bodies, over HTTP/1.1.
    HttpProtobuf,
}

/// The certificate of this client, for collectors that ask for one.
pub(in super::super) struct Identity {
    pub(in super::super) chain: Vec<CertificateDer<'static>>,
    pub(in super::super) key: PrivateKeyDer<'static>,
}

/// The destination of one signal.
pub(in super::super) struct Target {
    pub(in super::super) protocol: Protocol,
    pub(in super::super) uri: Uri,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) timeout: Duration,
    pub(in super::super) gzip: bool,
    /// The certificate authorities that are trusted; `None` for those of the system.
    pub(in super::super) authorities: Option<Vec<CertificateDer<'static>>>,
    pub(in super::super) identity: Option<Identity>,
}

impl Target {
    pub(in super::super) fn is_tls(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }
}

impl fmt::Debug for Target {
    /// Hides the values of headers, which hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("protocol", &self.protocol)
            .field("uri", &self.uri)
            .field("timeout", &self.timeout)
            .field("gzip", &self.gzip)
            .finish_non_exhaustive()
    }
}

/// The URI that a signal's requests go to. `own` means that the variable is of this signal only.
///
/// # Errors
/// The mistake, and the text to write instead.
pub(super) fn uri(
    text: &str,
    own: bool,
    protocol: Protocol,
    signal: Signal,
) -> Result<Uri, (&'static str, &'static str)> {
    const WRITE: &str = "write a URL such as http://127.0.0.1:4318 or https://collector:4318";

    let uri: Uri = text.parse().map_err(|_| ("is not a URL", WRITE))?;
    let parts = uri.into_parts();
    let scheme = parts.scheme.filter(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
    let (Some(scheme), Some(authority)) = (scheme, parts.authority) else {
        return Err(("begins with neither http:// nor https://", WRITE));
    };
    if authority.as_str().contains('@') {
        return Err((
            "contains a user name",
            "set credentials in OTEL_EXPORTER_OTLP_HEADERS, such as authorization=Basic%20...",
        ));
    }
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    if path.contains('?') {
        return Err(("contains a query", "remove everything behind the path"));
    }
    let base = path.trim_end_matches('/');
    let path = match protocol {
        Protocol::Grpc if !base.is_empty() => {
            return Err(("has a path, which gRPC does not use", "remove the path"));
        }
        Protocol::Grpc => service(signal).to_owned(),
        Protocol::HttpProtobuf if own => path.to_owned(),
        Protocol::HttpProtobuf => format!("{base}/v1/{}", signal.as_str()),
    };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| ("is not a URL", WRITE))
}

const fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

/// Reads `name=value,name=value`, whose values are percent-encoded.
///
/// # Errors
/// What is wrong, without any value.
pub(super) fn headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs::parse(text)? {
        let header: HeaderName =
            name.parse().map_err(|_| format!("`{name}` is not the name of a header"))?;
        if is_own(&header) {
            return Err(format!("the exporter sets the header `{name}` itself"));
        }
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| format!("the value of `{name}` has characters that no header may have"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn is_own(name: &HeaderName) -> bool {
    const OWN: [&str; 9] = [
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    OWN.contains(&name.as_str()) || name.as_str().starts_with("grpc-")
}
