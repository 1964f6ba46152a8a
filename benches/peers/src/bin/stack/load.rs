//! The load: connections that each send a request after the response to the one before.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::{
    BoxError,
    process::{self, Running},
    tokens::{Mix, Tokens},
};

/// How much is sent.
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) mix: Mix,
    pub(crate) turn: Duration,
}

/// What it took. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// What the server's processes hold, in bytes.
    pub(crate) resident: f64,
}

impl Load {
    /// Runs it in a process on the other processor.
    pub(crate) fn run(&self, server: &Running, tokens: &Tokens) -> Result<Measured, BoxError> {
        let file = if self.mix == Mix::Fresh { "fresh" } else { "own" };
        let output = Command::new("taskset")
            .args(["-c", process::LOAD])
            .arg(std::env::current_exe()?)
            .arg("load")
            .arg(tokens.file(file))
            .arg(server.address.to_string())
            .arg(self.connections.to_string())
            .arg(self.turn.as_millis().to_string())
            .arg(self.mix.name())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
        let [rate, p50, p99, p999] = numbers?[..] else {
            return Err(format!("the load against {} failed", server.kind.name()).into());
        };
        Ok(Measured { rate, p50, p99, p999, resident: 0.0 })
    }
}

/// `stack load FILE ADDRESS CONNECTIONS MILLISECONDS MIX`
pub(crate) fn run(file: &Path, rest: &[&str]) -> Result<(), BoxError> {
    let [address, connections, millis, mix] = rest else { return Err("five arguments".into()) };
    let (address, connections) = (address.parse()?, connections.parse()?);
    let turn = Duration::from_millis(millis.parse()?);
    let own = lines(file)?;
    let forged = lines(&file.with_file_name("forged.txt"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut times, took) =
        runtime.block_on(drive(address, connections, turn, mix, own, forged))?;
    times.sort_unstable();
    // The first of so many.
    let at = |late: usize| times.iter().rev().nth(times.len() / late).copied().unwrap_or_default();
    let rate = times.len() as f64 / took.as_secs_f64();
    println!("{rate} {} {} {}", at(2), at(100), at(1000));
    Ok(())
}

fn lines(file: &Path) -> Result<Vec<String>, BoxError> {
    Ok(fs::read_to_string(file)?.lines().map(request).collect())
}

/// The same bytes for every server.
fn request(token: &str) -> String {
    format!(
        "GET /api/v1/ping HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: load/1.0\r\naccept: */*\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )
}

async fn drive(
    server: SocketAddr,
    connections: usize,
    turn: Duration,
    mix: &str,
    own: Vec<String>,
    forged: Vec<String>,
) -> Result<(Vec<u32>, Duration), BoxError> {
    let mut streams = Vec::new();
    for index in 0..connections {
        streams.push(connect(server, index).await?);
    }
    let own: &'static [String] = own.leak();
    let forged: &'static [String] = forged.leak();
    // Half a second to warm up: tokens are remembered, and connections have been used.
    let begin = Instant::now() + Duration::from_millis(500);
    let end = begin + turn;
    let next = std::rc::Rc::new(std::cell::Cell::new(0_usize));
    let local = tokio::task::LocalSet::new();
    let mut tasks = JoinSet::new();
    for (index, mut stream) in streams.into_iter().enumerate() {
        let (next, mix) = (std::rc::Rc::clone(&next), mix.to_owned());
        let work = async move {
            let mut times = Vec::new();
            let mut buffer = vec![0; 4096];
            loop {
                let number = next.get();
                next.set(number + 1);
                let is_forged = mix == "forged" && number % 100 == 99;
                let request = match mix.as_str() {
                    "forged" if is_forged => forged.get(number / 100 % forged.len()),
                    "fresh" => own.get(number),
                    _ => own.get(index % own.len()),
                };
                // No token is sent twice, so a faster server ends earlier.
                let Some(request) = request else { break };
                let sent = Instant::now();
                if sent >= end {
                    break;
                }
                let status = exchange(&mut stream, request, &mut buffer).await?;
                // Servers without authentication accept a forged token.
                if status != 200 && !(is_forged && status == 401) {
                    return Err::<_, BoxError>(format!("status {status}").into());
                }
                if sent >= begin {
                    times.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
            }
            Ok((times, Instant::now()))
        };
        tasks.spawn_local_on(work, &local);
    }
    // The load never sleeps: each response to one that does would cost the server's processor an
    // interrupt to wake it, and only a server that is slower than the load would pay that.
    local.spawn_local(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let (mut all, mut last) = (Vec::new(), begin);
    local
        .run_until(async {
            while let Some(done) = tasks.join_next().await {
                let (times, at) = done??;
                all.extend(times);
                last = last.max(at);
            }
            Ok::<_, BoxError>(())
        })
        .await?;
    Ok((all, last.min(end).saturating_duration_since(begin)))
}

/// From addresses of several networks, as the clients of a real service are.
async fn connect(server: SocketAddr, index: usize) -> Result<TcpStream, BoxError> {
    let number = |n: usize| u8::try_from(n % 250).unwrap_or(0) + 1;
    let own = Ipv4Addr::new(127, 1, number(index / 100), number(index));
    let socket = TcpSocket::new_v4()?;
    socket.bind((own, 0).into())?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request, and reads the whole response. Returns its status.
async fn exchange(
    stream: &mut TcpStream,
    request: &str,
    buffer: &mut [u8],
) -> Result<u16, BoxError> {
    stream.write_all(request.as_bytes()).await?;
    let mut filled = 0;
    loop {
        let free = buffer.get_mut(filled..).unwrap_or_default();
        let read = stream.read(free).await?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        filled += read;
        let response = buffer.get(..filled).unwrap_or_default();
        let Some(head) = response.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let length = content_length(response.get(..head).unwrap_or_default());
        if filled >= head + 4 + length {
            let status = response.get(9..12).and_then(|text| std::str::from_utf8(text).ok());
            return Ok(status.unwrap_or_default().parse()?);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let at = head.windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME));
    let rest = at.and_then(|at| head.get(at + NAME.len()..)).unwrap_or_default();
    let line = rest.split(|byte| *byte == b'\r').next().unwrap_or_default();
    std::str::from_utf8(line).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}
