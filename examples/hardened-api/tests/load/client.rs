//! Clients: this test program, started again, so that their files and their work are not those of
//! the test or of the service.

use std::{collections::BTreeMap, net::SocketAddr, process::Command, str::FromStr, time::Duration};

use hardpoint_testkit::http::Process;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{PATIENCE, limited};

/// What the started program does, in words.
pub(crate) const PROGRAM: &str = "HARDPOINT_LOAD";

/// A document of which only the first byte arrives.
const ONE_BYTE: &[u8] = b"POST /api/v1/session HTTP/1.1\r\nhost: x\r\n\
    content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
/// The preface of HTTP/2, and settings that keep the defaults.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const ACKNOWLEDGEMENT: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";

/// Running clients. Dropping them ends them.
pub(crate) struct Clients {
    process: Process,
}

impl Clients {
    pub(crate) fn start(words: &str) -> Self {
        Self { process: Process::spawn(&mut again(words)) }
    }

    /// Opens `count` connections that do `what`, and waits until all are open.
    pub(crate) async fn hold(what: &str, count: usize, address: &str) -> Self {
        let clients = Self::start(&format!("hold {what} {count} {address}"));
        clients.report::<usize>("open").await;
        clients
    }

    /// The numbers of the line that begins with `word`.
    pub(crate) async fn report<N: FromStr>(&self, word: &str) -> Vec<N> {
        let starts = |line: &str| line.split(' ').next() == Some(word);
        let line = self.process.line(PATIENCE, starts).await;
        line.split(' ').skip(1).filter_map(|number| number.parse().ok()).collect()
    }

    /// Tells clients that run until then to stop.
    pub(crate) fn stop(&self) {
        self.process.signal("TERM");
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.process.stdout()
    }
}

/// This test program as a program that does what `words` say.
pub(crate) fn again(words: &str) -> Command {
    let mut command = limited(&std::env::current_exe().unwrap(), None);
    command.args(["--exact", "client::program", "--ignored", "--nocapture"]).env(PROGRAM, words);
    command
}

#[test]
#[ignore = "a program of its own, started by the other tests"]
fn program() {
    let Some(words) = std::env::var_os(PROGRAM) else { return };
    let words = words.into_string().unwrap();
    let words: Vec<_> = words.split(' ').collect();
    if let ["serve", rest @ ..] = &*words {
        return crate::server::run(rest);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match &*words {
            ["hold", what, count, address] => {
                hold(what, count.parse().unwrap(), address.parse().unwrap()).await;
            }
            ["probe", path, rate, seconds, address] => {
                let (rate, seconds) = (rate.parse().unwrap(), seconds.parse().unwrap());
                probe(path, rate, seconds, address.parse().unwrap()).await;
            }
            ["compare", rounds, requests, path, one, other] => {
                let addresses = [one.parse().unwrap(), other.parse().unwrap()];
                compare(rounds.parse().unwrap(), requests.parse().unwrap(), path, addresses).await;
            }
            ["burst", count, address] => {
                burst(count.parse().unwrap(), address.parse().unwrap()).await;
            }
            ["request", count, path, address] => {
                request(count.parse().unwrap(), path, address.parse().unwrap()).await;
            }
            ["load", connections, address] => {
                load(connections.parse().unwrap(), address.parse().unwrap()).await;
            }
            other => panic!("{other:?}"),
        }
    });
}

/// A request with a user agent that makes a long line.
fn get(path: &str) -> String {
    let agent = "a".repeat(240);
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nuser-agent: {agent}\r\n\r\n")
}

/// Connects from an address of its own in 127.0.0.0/8.
async fn connect(client: usize, to: SocketAddr) -> TcpStream {
    try_connect(client, to, None).await.unwrap()
}

async fn try_connect(
    client: usize,
    to: SocketAddr,
    receive_buffer: Option<u32>,
) -> std::io::Result<TcpStream> {
    let [_, high, middle, low] = u32::try_from(client + 1).unwrap().to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(([127, high + 1, middle, low], 0).into())?;
    socket.connect(to).await
}

/// Opens connections, and reports when and how the server has closed them all.
async fn hold(what: &str, count: usize, address: SocketAddr) {
    let mut opening = JoinSet::new();
    for client in 0..count {
        let buffer = (what == "unread").then_some(4_096);
        let mut stream = try_connect(client, address, buffer).await.unwrap();
        let what = what.to_owned();
        opening.spawn(async move {
            // A server that refuses early may have closed the connection.
            let _sent = begin(&what, &mut stream).await;
            (stream, Instant::now())
        });
    }
    let mut closing = JoinSet::new();
    while let Some(opened) = opening.join_next().await {
        let (stream, start) = opened.unwrap();
        let reads = what != "unread";
        closing.spawn(async move {
            let answer = if reads { rest(stream).await } else { broken(stream).await };
            (start.elapsed().as_millis(), answer)
        });
    }
    println!("\nopen {count}");
    let (mut first, mut last) = (u128::MAX, 0);
    let mut answers = BTreeMap::<_, usize>::new();
    while let Some(closed) = closing.join_next().await {
        let (took, answer) = closed.unwrap();
        (first, last) = (first.min(took), last.max(took));
        *answers.entry(answer).or_default() += 1;
    }
    println!("\nclosed {first} {last}");
    for (answer, count) in answers {
        println!("answered {answer:?} {count}");
    }
}

/// Sends the beginning of what the server will wait for.
async fn begin(what: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    match what {
        "silent" => Ok(()),
        "letter" => stream.write_all(b"G").await,
        "half" => stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-half: ").await,
        "byte" => stream.write_all(ONE_BYTE).await,
        "idle" => exchange(stream, &get("/livez")).await.map(|_| ()),
        "two" => {
            stream.write_all(PREFACE).await?;
            // The server's settings, which the client has to acknowledge.
            stream.read_exact(&mut [0; 9]).await?;
            stream.write_all(ACKNOWLEDGEMENT).await
        }
        // As much of a head as is below the limit, and far more than that.
        "head" => long_head(stream, 15 * 1_024).await,
        "long" => long_head(stream, 390_000).await,
        "unread" => {
            // Requests whose responses nobody takes: until the server takes no more of them.
            let requests = get("/.well-known/jwks.json").repeat(64);
            while let Ok(sent) =
                timeout(Duration::from_millis(200), stream.write_all(requests.as_bytes())).await
            {
                sent?;
            }
            Ok(())
        }
        other => panic!("{other}"),
    }
}

async fn long_head(stream: &mut TcpStream, length: usize) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await?;
    stream.write_all(&vec![b'a'; length]).await
}

/// Reads until the server closes the connection. Returns the beginning of the answer.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _read = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Waits for the end of a connection without reading from it.
async fn broken(stream: TcpStream) -> String {
    while !stream.ready(Interest::ERROR).await.unwrap().is_error() {}
    String::new()
}

/// Sends a request and reads its response. Returns the status, and whether the connection stays.
async fn exchange(stream: &mut TcpStream, request: &str) -> std::io::Result<(u16, bool)> {
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            let message = format!("closed after {} bytes", answer.len());
            return Err(std::io::Error::other(message));
        }
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        return Ok((status, !head.contains("connection: close")));
    }
}

/// Asks at a steady rate, on a new connection each time, and reports the times in microseconds.
async fn probe(path: &str, rate: u32, seconds: u32, address: SocketAddr) {
    let (mut ticks, request) = (interval(Duration::from_secs(1) / rate), get(path));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut times, mut failures) = (Vec::new(), 0);
    let end = Instant::now() + Duration::from_secs(seconds.into());
    while Instant::now() < end {
        ticks.tick().await;
        let start = Instant::now();
        let asked =
            async { exchange(&mut try_connect(70_000, address, None).await?, &request).await };
        match timeout(Duration::from_secs(2), asked).await {
            Ok(Ok((200, _))) => times.push(start.elapsed().as_micros()),
            _ => failures += 1,
        }
    }
    let (p50, p99) = percentiles(&mut times);
    println!("\nprobed {} {failures} {p50} {p99}", times.len());
}

fn percentiles(times: &mut [u128]) -> (u128, u128) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(u128::MAX);
    (at(50), at(99))
}

/// Sends requests on several connections at once.
async fn request(count: usize, path: &str, address: SocketAddr) {
    const CONNECTIONS: usize = 8;
    let (mut tasks, request) = (JoinSet::new(), get(path));
    for client in 0..CONNECTIONS {
        let request = request.clone();
        tasks.spawn(async move {
            let mut stream = connect(client, address).await;
            for _ in 0..count / CONNECTIONS {
                exchange(&mut stream, &request).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    println!("\nrequested {}", count / CONNECTIONS * CONNECTIONS);
}

/// Sends requests to two services in turns. Reports the medians over the rounds: of the median and
/// of the 99th percentile, in nanoseconds. Then the least 99th percentile of a round, which the rest
/// of the machine disturbs least.
async fn compare(rounds: usize, requests: usize, path: &str, addresses: [SocketAddr; 2]) {
    let request = get(path);
    let mut streams = Vec::new();
    for address in addresses {
        let mut stream = connect(0, address).await;
        stream.set_nodelay(true).unwrap();
        for _ in 0..requests {
            exchange(&mut stream, &request).await.unwrap();
        }
        streams.push(stream);
    }
    let mut seen = [(); 4].map(|()| Vec::new());
    for round in 0..rounds {
        for turn in [round % 2, 1 - round % 2] {
            let mut times = Vec::new();
            for _ in 0..requests {
                let start = Instant::now();
                exchange(&mut streams[turn], &request).await.unwrap();
                times.push(start.elapsed().as_nanos());
            }
            let (p50, p99) = percentiles(&mut times);
            seen[turn].push(p50);
            seen[turn + 2].push(p99);
        }
    }
    let least = [2, 3].map(|tails: usize| seen[tails].iter().min().copied().unwrap());
    let [a, b, c, d] = seen.map(|mut all| percentiles(&mut all).0);
    println!("\ncompared {a} {b} {c} {d} {} {}", least[0], least[1]);
}

/// Opens connections one after the other, as fast as the kernel answers.
async fn burst(count: usize, address: SocketAddr) {
    let (start, mut streams, mut longest) = (Instant::now(), Vec::new(), Duration::ZERO);
    for client in 0..count {
        let one = Instant::now();
        streams.push(connect(client, address).await);
        longest = longest.max(one.elapsed());
    }
    println!("\nconnected {} {}", start.elapsed().as_millis(), longest.as_millis());
}

/// Sends requests on connections that stay, until the program is told to end.
async fn load(connections: usize, address: SocketAddr) {
    const POST: &str = "POST /api/v1/session/refresh HTTP/1.1\r\nhost: x\r\n\
        content-type: application/json\r\ncontent-length: 21\r\n\r\n{\"refresh_token\":\"x\"}";
    let requests = [(get("/.well-known/jwks.json"), 200), (POST.to_owned(), 401)];
    let (sender, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for client in 0..connections {
        let (requests, sender, answered) = (requests.clone(), sender.clone(), answered.clone());
        tasks.spawn(async move {
            let mut stream = connect(client, address).await;
            for (request, expected) in requests.iter().cycle() {
                let asked = timeout(PATIENCE, exchange(&mut stream, request)).await;
                let stays = match asked.map_err(|error| error.to_string()) {
                    Ok(Ok((status, stays))) if status == *expected => {
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        stays
                    }
                    other => {
                        sender.send(format!("{expected} expected, not {other:?}")).unwrap();
                        false
                    }
                };
                if !stays {
                    stream = connect(client, address).await;
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    println!("\nloading");
    signal(SignalKind::terminate()).unwrap().recv().await;
    tasks.shutdown().await;
    drop(sender);
    let mut failed = 0;
    while let Some(failure) = failures.recv().await {
        failed += 1;
        println!("\nfailed: {failure}");
    }
    println!("\nloaded {} {failed}", answered.load(std::sync::atomic::Ordering::Relaxed));
}
