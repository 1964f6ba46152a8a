//! Requests to a collector, with hyper.

use std::{
    convert::Infallible,
    io::Write as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hardpoint_core::Time;
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_ENCODING, CONTENT_TYPE, TE, USER_AGENT},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

use super::{
    answer::{self, Answer, Cause},
    error::StartError,
    settings::{Identity, Protocol, Target},
};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hardpoint-otlp/", env!("CARGO_PKG_VERSION")));
/// Short enough to try another address of a host if one is dead.
const CONNECT: Duration = Duration::from_secs(3);
/// How soon a connection that does not answer is replaced: the collector's host is gone, or a
/// firewall forgot the connection.
const PING: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const ANSWER_MAX: usize = 64 * 1024;

/// Sends requests to one endpoint.
pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Chunks>,
    protocol: Protocol,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
    time: Time,
}

/// The body of a request. Clones share its bytes, so that a retry costs no copy.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    chunks: Arc<[Bytes]>,
}

impl Transport {
    /// # Errors
    /// [`StartError`] if TLS has no certificate authorities, or the client's key does not belong to
    /// its certificate.
    pub(super) fn new(target: Target, time: Time) -> Result<Self, StartError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT));
        let tls = HttpsConnectorBuilder::new();
        let is_tls = target.is_tls();
        let tls = tls.with_tls_config(tls_config(is_tls, target.authorities, target.identity)?);
        let tls = tls.https_or_http();
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).timer(TokioTimer::new());
        client.pool_idle_timeout(IDLE).pool_max_idle_per_host(1);
        let connector = match target.protocol {
            Protocol::Grpc => {
                client
                    .http2_only(true)
                    .http2_keep_alive_interval(PING)
                    .http2_keep_alive_timeout(PING);
                tls.enable_http2().wrap_connector(http)
            }
            Protocol::HttpProtobuf => tls.enable_http1().wrap_connector(http),
        };
        let mut headers = target.headers;
        headers.insert(USER_AGENT, AGENT);
        match target.protocol {
            Protocol::Grpc => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert(TE, HeaderValue::from_static("trailers"));
                if target.gzip {
                    headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
                }
            }
            Protocol::HttpProtobuf => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                if target.gzip {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
            }
        }
        Ok(Self {
            client: client.build(connector),
            protocol: target.protocol,
            uri: target.uri,
            headers,
            timeout: target.timeout,
            gzip: target.gzip,
            time,
        })
    }

    /// Makes the body of a request, whose message is this prefix and these records.
    pub(super) fn payload(&self, prefix: Vec<u8>, records: &[Bytes]) -> Payload {
        let (mut first, rest) = if self.gzip {
            (compressed(&prefix, records), [].as_slice())
        } else {
            (prefix, records)
        };
        if self.protocol == Protocol::Grpc {
            // One message: whether it is compressed, and its length. It is far below 4 GiB.
            let len = first.len() + rest.iter().map(Bytes::len).sum::<usize>();
            let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
            first.splice(..0, [u8::from(self.gzip), a, b, c, d]);
        }
        Payload { chunks: [first.into()].into_iter().chain(rest.iter().cloned()).collect() }
    }

    /// Sends a request and reads its answer.
    pub(super) async fn send(&self, payload: Payload) -> Answer {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(payload));
        exchange.await.unwrap_or(Answer::Again { after: None, cause: Cause::Timeout })
    }

    async fn exchange(&self, payload: Payload) -> Answer {
        let mut request = Request::new(Chunks { payload, next: 0 });
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if self.protocol == Protocol::Grpc {
            *request.version_mut() = Version::HTTP_2;
        }
        let broken = Answer::Again { after: None, cause: Cause::Connection };
        let Ok(response) = self.client.request(request).await else { return broken };
        let (head, body) = response.into_parts();
        let Ok(body) = Limited::new(body, ANSWER_MAX).collect().await else {
            // An answer that is too long is not read as a collector's, but its status counts.
            return match head.status.as_u16() {
                200..=299 => broken,
                _ => answer::http(head.status, &head.headers, &[], self.time.unix()),
            };
        };
        let trailers = body.trailers().cloned();
        let body = body.to_bytes();
        let now = self.time.unix();
        match self.protocol {
            Protocol::Grpc => {
                answer::grpc(head.status, &head.headers, trailers.as_ref(), &body, now)
            }
            Protocol::HttpProtobuf => answer::http(head.status, &head.headers, &body, now),
        }
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

fn compressed(prefix: &[u8], records: &[Bytes]) -> Vec<u8> {
    let size: usize = records.iter().map(Bytes::len).sum();
    let mut encoder = GzEncoder::new(Vec::with_capacity(size / 4), Compression::fast());
    for part in [prefix].into_iter().chain(records.iter().map(|chunk| &**chunk)) {
        // Writing to a vector does not fail, here and below.
        let _written = encoder.write_all(part);
    }
    encoder.finish().unwrap_or_default()
}

fn tls_config(
    is_tls: bool,
    authorities: Option<Vec<CertificateDer<'static>>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, StartError> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(StartError::authorities)?;
    let config = match authorities {
        // Not read if they are not needed: an empty container has none.
        None if is_tls => config.with_native_roots().map_err(StartError::authorities)?,
        authorities => {
            let mut roots = RootCertStore::empty();
            for authority in authorities.into_iter().flatten() {
                roots.add(authority).map_err(StartError::authorities)?;
            }
            config.with_root_certificates(roots)
        }
    };
    match identity {
        Some(Identity { chain, key }) => {
            config.with_client_auth_cert(chain, key).map_err(StartError::identity)
        }
        None => Ok(config.with_no_client_auth()),
    }
}

/// Sends the chunks of a payload.
#[derive(Debug)]
struct Chunks {
    payload: Payload,
    next: usize,
}

impl Chunks {
    fn rest(&self) -> impl Iterator<Item = &Bytes> {
        self.payload.chunks.iter().skip(self.next).filter(|chunk| !chunk.is_empty())
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while let Some(chunk) = self.payload.chunks.get(self.next).cloned() {
            self.next += 1;
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.rest().next().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest().map(|chunk| chunk.len() as u64).sum())
    }
}
