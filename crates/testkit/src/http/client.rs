//! A client, and bytes on a socket.

use std::{error::Error, net::SocketAddr, time::Duration};

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

/// How long any exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long [`raw`] waits for more bytes.
const RAW_PATIENCE: Duration = Duration::from_secs(5);

/// A client with a pool of connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client that speaks HTTP/1.1.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: legacy::Client::builder(TokioExecutor::new()).build_http() }
    }

    /// A client that speaks HTTP/2 with prior knowledge, as gRPC clients do.
    #[must_use]
    pub fn http2() -> Self {
        Self { inner: legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http() }
    }

    /// `GET`.
    pub async fn get(&self, url: impl AsRef<str>) -> Reply {
        self.request(Request::get(url.as_ref()), Bytes::new()).await
    }

    /// `POST` of a JSON document.
    pub async fn post_json(&self, url: impl AsRef<str>, document: &Value) -> Reply {
        let request = Request::post(url.as_ref()).header(CONTENT_TYPE, "application/json");
        self.request(request, document.to_string()).await
    }

    /// Any request. Panics if there is no answer.
    pub async fn request(&self, head: http::request::Builder, body: impl Into<Bytes>) -> Reply {
        match self.try_request(head, body).await {
            Ok(reply) => reply,
            Err(error) => panic!("a request was not answered: {error:?}"),
        }
    }

    /// Any request.
    ///
    /// # Errors
    /// Whatever kept the answer from being read to its end within 30 seconds.
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

/// An answer, read to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// A header's first value as text; empty if there is none.
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
            Err(error) => panic!("a body that is no text: {error}"),
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("a body that is no JSON: {error}: {:?}", self.body),
        }
    }
}

/// Sends `bytes` as they are, and returns what came back until the other side closed the
/// connection, or said nothing for five seconds.
///
/// A well-formed request wants `connection: close`, or the answer is waited for that long.
pub async fn raw(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = match timeout(RAW_PATIENCE, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => stream,
        failed => panic!("nobody accepts connections at {addr}: {failed:?}"),
    };
    let mut answer = Vec::new();
    // A server may answer and close before it has read everything: that is for the test to judge.
    let _sent = timeout(RAW_PATIENCE, stream.write_all(bytes)).await;
    while let Ok(Ok(1..)) = timeout(RAW_PATIENCE, stream.read_buf(&mut answer)).await {}
    answer
}
