//! Servers that answer badly, over real sockets.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hardpoint_auth::remote::{
    HttpFetch, KeysState, RefreshErrorKind, Refreshed, RemoteKeys, RemoteKeysBuilder,
};
use hardpoint_core::ManualClock;
use hardpoint_testkit::http::{Server, serve};
use http::{Request, Response, StatusCode, header::LOCATION};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::service_fn;

use super::{key, tls};

fn fetch() -> HttpFetch {
    // Which authorities are trusted does not matter over http.
    HttpFetch::trusting_pem(&tls::authority().1).unwrap()
}

fn at(url: String) -> RemoteKeysBuilder {
    RemoteKeys::jwks(url, fetch()).insecure_http()
}

/// A server that gives each path another fault, and the keys at `/keys`; it counts requests.
async fn server(jwks: &str) -> (Server, Arc<AtomicUsize>) {
    let (jwks, hits) = (Bytes::from(jwks.to_owned()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&hits);
    let server = serve(service_fn(move |request: Request<Incoming>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let jwks = jwks.clone();
        async move { Ok::<_, Infallible>(answer(request.uri().path(), &jwks)) }
    }));
    (server.await, hits)
}

fn answer(path: &str, jwks: &Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(jwks.clone()));
    let to = |mut response: Response<_>, location: &str| {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(LOCATION, location.parse().unwrap());
        response
    };
    match path {
        "/keys" => response,
        "/error" => {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        "/created" => {
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        "/huge" => Response::new(Full::new(vec![b' '; 300 * 1024].into())),
        "/html" => Response::new(Full::new("<html>sign in</html>".into())),
        "/redirect" => to(response, "/keys"),
        "/away" => to(response, "http://localhost:1/keys"),
        "/loop" => to(response, "/loop"),
        "/nowhere" => to(response, ""),
        _ => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

#[tokio::test]
async fn keys_come_over_a_socket() {
    let (server, _) = server(&key().1).await;
    let keys = at(server.url("/keys")).start().unwrap();
    keys.warm().await.unwrap();
    assert_eq!(keys.state(), KeysState::Fresh);
}

#[tokio::test]
async fn each_bad_answer_has_its_name() {
    use RefreshErrorKind::{Malformed, Redirect, Status, TooLarge};

    let (server, _) = server(&key().1).await;
    for (path, expected) in [
        ("/error", Status),
        ("/created", Status),
        ("/absent", Status),
        ("/huge", TooLarge),
        ("/html", Malformed),
        ("/redirect", Redirect),
        ("/away", Redirect),
        ("/loop", Redirect),
    ] {
        let keys = at(server.url(path)).start().unwrap();
        assert_eq!(keys.warm().await.unwrap_err().kind(), expected, "{path}");
        assert_eq!(keys.state(), KeysState::Empty);
    }
}

#[tokio::test]
async fn no_redirect_is_followed_not_even_at_the_origin() {
    let (server, hits) = server(&key().1).await;
    for path in ["/redirect", "/away", "/nowhere", "/loop"] {
        let error = at(server.url(path)).start().unwrap().warm().await.unwrap_err();
        assert_eq!(error.kind(), RefreshErrorKind::Redirect, "{path}");
        assert_eq!(hits.swap(0, Ordering::SeqCst), 1, "{path}");
    }
}

/// A server that answers each connection with `talk`.
async fn raw<F>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    addr
}

async fn kind_of(addr: SocketAddr, timeout: Duration) -> RefreshErrorKind {
    let keys = at(format!("http://{addr}/keys")).timeout(timeout).start().unwrap();
    keys.warm().await.unwrap_err().kind()
}

/// Long enough for whatever does not wait for time.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_server_that_dribbles_is_left_when_time_is_up() {
    let silent = raw(async |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        let _read = stream.read_to_end(&mut bytes).await;
    });
    assert_eq!(kind_of(silent.await, SHORT).await, RefreshErrorKind::Timeout);
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"] {
        // One byte in 20 ms, for ever: of the head, or of the body.
        let slow = raw(move |mut stream: TcpStream| async move {
            let mut sent = stream.write_all(head.as_bytes()).await;
            let text = if head.is_empty() { "HTTP/1.1 200 OK\r\nx: " } else { "" };
            let mut bytes = text.bytes().chain(std::iter::repeat(b' '));
            while sent.is_ok() {
                sent = stream.write_u8(bytes.next().unwrap()).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert_eq!(kind_of(slow.await, SHORT).await, RefreshErrorKind::Timeout);
    }
}

#[tokio::test]
async fn what_is_cut_short_or_no_http_is_no_answer() {
    for text in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ] {
        let cut = raw(move |mut stream: TcpStream| async move {
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).await;
            let _sent = stream.write_all(text.as_bytes()).await;
        });
        assert_eq!(kind_of(cut.await, LONG).await, RefreshErrorKind::Unreachable, "{text:?}");
    }
    let endless = raw(async |mut stream: TcpStream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes()).await;
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        while sent.is_ok() {
            sent = stream.write_all(chunk.as_bytes()).await;
        }
    });
    assert_eq!(kind_of(endless.await, LONG).await, RefreshErrorKind::TooLarge);
}

#[tokio::test]
async fn nobody_at_the_port_is_no_answer_and_the_log_may_say_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let keys = at(format!("http://{addr}/keys")).start().unwrap();
    let error = keys.warm().await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Unreachable);
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(keys.refresh_for_unknown_key_id("x", None).await, Refreshed::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_ids_that_nobody_knows_cause_one_request_in_thirty_seconds() {
    let (server, hits) = server(&key().1).await;
    let clock = ManualClock::default();
    let builder = at(server.url("/keys")).timeout(LONG).time(clock.clone());
    let keys = builder.start().unwrap();
    keys.warm().await.unwrap();
    assert_eq!(hits.swap(0, Ordering::SeqCst), 1);
    for wave in 0..4 {
        let mut all = tokio::task::JoinSet::new();
        for number in 0..10_000 {
            let (keys, id) = (keys.clone(), format!("{wave}-{number}"));
            all.spawn(async move { keys.refresh_for_unknown_key_id(&id, None).await });
            clock.advance(Duration::from_micros(100));
        }
        while let Some(one) = all.join_next().await {
            assert_ne!(one.unwrap(), Refreshed::Found);
        }
        assert_eq!(hits.swap(0, Ordering::SeqCst), 1, "in wave {wave}");
        clock.advance(Duration::from_secs(30));
    }
    assert_eq!(keys.state(), KeysState::Fresh);
}
