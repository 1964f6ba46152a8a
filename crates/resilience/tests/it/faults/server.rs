//! A server that fails in one way, once, and then answers 200.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// What the server does with a request, after it has read all of it or a part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Closes the connection after the first byte of the request.
    CloseEarly,
    /// Never answers.
    Hang,
    /// Breaks off in the head of the response.
    PartialHead,
    /// Answers with something that is not HTTP.
    Garbage,
    /// Answers with this status.
    Status(u16),
    /// Answers 503 with `Retry-After: 0`.
    Unavailable,
    /// Answers 503 with a body that never ends.
    EndlessBody,
}

impl Fault {
    pub(super) const ALL: [Self; 11] = [
        Self::Close,
        Self::Reset,
        Self::CloseEarly,
        Self::Hang,
        Self::PartialHead,
        Self::Garbage,
        Self::Status(500),
        Self::Status(502),
        Self::Status(504),
        Self::Unavailable,
        Self::EndlessBody,
    ];
}

pub(super) struct FaultyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    /// The method of each request of which at least one byte arrived.
    arrived: Mutex<Vec<String>>,
}

impl FaultyServer {
    pub(super) async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub(super) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/orders", self.address)
    }

    /// Fails the next request.
    pub(super) fn fail_with(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some(fault);
    }

    /// How many requests with this method arrived, in whole or in part.
    pub(super) fn arrived(&self, method: &str) -> usize {
        // A part of a request has the first letter of its method.
        let matches = |arrived: &&String| method.starts_with(arrived.as_str());
        self.shared.arrived.lock().unwrap().iter().filter(matches).count()
    }

    pub(super) fn stop(self) -> SocketAddr {
        self.address
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    loop {
        let mut first = [0];
        if !matches!(stream.read(&mut first).await, Ok(1..)) {
            return;
        }
        let fault = shared.fault.lock().unwrap().take();
        if let Some(Fault::CloseEarly) = fault {
            shared.arrived.lock().unwrap().push(char::from(first[0]).to_string());
            return;
        }
        let Some(request) = read_request(&mut stream, first[0]).await else { return };
        let method = request.split(' ').next().unwrap_or_default().to_owned();
        shared.arrived.lock().unwrap().push(method);
        if !answer(&mut stream, fault).await {
            return;
        }
    }
}

/// Reads the head and the body of one request.
async fn read_request(stream: &mut TcpStream, first: u8) -> Option<String> {
    let mut bytes = vec![first];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return None;
        }
    }
}

/// Answers, and returns whether the connection stays open.
async fn answer(stream: &mut TcpStream, fault: Option<Fault>) -> bool {
    let text: &[u8] = match fault {
        None => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Some(Fault::Close | Fault::CloseEarly) => return false,
        Some(Fault::Reset) => {
            // Without lingering, closing a socket sends a reset.
            let _set = stream.set_zero_linger();
            return false;
        }
        Some(Fault::Hang) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return false;
        }
        Some(Fault::PartialHead) => {
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await;
            return false;
        }
        Some(Fault::Garbage) => {
            let _sent = stream.write_all(b"\x16\x03\x01\x00nonsense\r\n\r\n").await;
            return false;
        }
        Some(Fault::Status(500)) => b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n",
        Some(Fault::Status(502)) => b"HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n",
        Some(Fault::Status(_)) => b"HTTP/1.1 504 no\r\ncontent-length: 0\r\n\r\n",
        Some(Fault::Unavailable) => {
            b"HTTP/1.1 503 no\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
        }
        Some(Fault::EndlessBody) => {
            let _sent =
                stream.write_all(b"HTTP/1.1 503 no\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"5\r\nhello\r\n").await.is_ok() {}
            return false;
        }
    };
    stream.write_all(text).await.is_ok()
}
