//! An HTTP client, and a function that sends raw bytes.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderName},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The timeout of an exchange.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long [`raw`] waits for more bytes.
const RAW_PATIENCE: Duration = Duration::from_secs(5);

/// A client with a pool of connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// Creates a client for HTTP/1.1.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: legacy::Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Creates a client for HTTP/2 with prior knowledge, as gRPC clients use it.
    #[must_use]
    pub fn http2() -> Self {
        Self { inner: legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http() }
    }

    /// Creates a client for HTTP/1.1 whose connections come from this address. Every address in
    /// `127.0.0.0/8` is one of this host's on Linux.
    #[must_use]
    pub fn from_address(address: IpAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(address));
        Self { inner: legacy::Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Sends a `GET` request.
    pub async fn get(&self, url: impl AsRef<str>) -> Reply {
        self.request(Request::get(url.as_ref()), Bytes::new()).await
    }

    /// Sends a `POST` request with a JSON document.
    pub async fn post_json(&self, url: impl AsRef<str>, document: &Value) -> Reply {
        let request = Request::post(url.as_ref()).header(CONTENT_TYPE, "application/json");
        self.request(request, document.to_string()).await
    }

    /// Sends a request. Panics if it fails.
    pub async fn request(&self, head: http::request::Builder, body: impl Into<Bytes>) -> Reply {
        match self.try_request(head, body).await {
            Ok(reply) => reply,
            Err(error) => panic!("the request failed: {error:?}"),
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Any failure to read the whole response within 30 seconds.
    pub async fn try_request(
        &self,
        head: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let request = head.body(Full::new(body.into()))?;
        timeout(PATIENCE, async {
            let (head, body) = self.inner.request(request).await?.into_parts();
            let body = body.collect().await?;
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                trailers: body.trailers().cloned(),
                body: body.to_bytes(),
            })
        })
        .await?
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A response with its whole body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The trailers, if any.
    pub trailers: Option<HeaderMap>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Returns the first value of a header as text, or an empty string if the header is missing.
    #[must_use]
    pub fn header(&self, name: impl TryInto<HeaderName>) -> &str {
        name.try_into()
            .ok()
            .and_then(|name| self.headers.get(name))
            .map_or("", |value: &HeaderValue| value.to_str().unwrap_or_default())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body is not UTF-8: {error}"),
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the body is not JSON: {error}: {:?}", self.body),
        }
    }
}

/// Sends `bytes` unchanged and returns the bytes received until the peer closes the connection or
/// sends nothing for five seconds.
///
/// Send well-formed requests with `connection: close`: otherwise the call lasts five seconds
/// longer.
pub async fn raw(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = match timeout(RAW_PATIENCE, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => stream,
        failed => panic!("cannot connect to {addr}: {failed:?}"),
    };
    let mut answer = Vec::new();
    // A server may respond and close before it has read everything. The test judges the response.
    let _sent = timeout(RAW_PATIENCE, stream.write_all(bytes)).await;
    while let Ok(Ok(1..)) = timeout(RAW_PATIENCE, stream.read_buf(&mut answer)).await {}
    answer
}
