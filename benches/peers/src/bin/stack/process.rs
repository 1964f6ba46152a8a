//! The servers' processes.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{BoxError, haproxy, tokens::Tokens};

/// The processor of the servers, and that of the load.
pub(crate) const SERVER: &str = "0";
pub(crate) const LOAD: &str = "1";

/// The file of the headers that a server adds.
pub(crate) const HEADERS: &str = "headers.txt";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Bare,
    SameBytes,
    Hardpoint,
    Haproxy,
    PeersAndCache,
    Peers,
}

/// All, in the order of their turns.
pub(crate) const KINDS: [Kind; 6] =
    [Kind::Bare, Kind::SameBytes, Kind::Hardpoint, Kind::Haproxy, Kind::PeersAndCache, Kind::Peers];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Haproxy => "haproxy",
            Self::Hardpoint => "hardpoint",
            Self::Peers => "peers",
            Self::PeersAndCache => "peers + cache",
            Self::SameBytes => "same bytes",
        }
    }
}

/// A server that listens. Dropping it ends its processes.
pub(crate) struct Running {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    children: Vec<Child>,
}

impl Running {
    pub(crate) fn start(
        kind: Kind,
        tokens: &Tokens,
        headers: &str,
        work: &Path,
    ) -> Result<Self, BoxError> {
        let address = free()?;
        let mut server = Self { kind, address, children: Vec::new() };
        match kind {
            Kind::Hardpoint => server.children.push(hardened_api(address, tokens)?),
            Kind::Haproxy => {
                let behind = free()?;
                server.children.push(own("bare", behind, work, tokens)?);
                answers(behind)?;
                let proxy = haproxy::start(address, behind, headers, tokens, work)?;
                server.children.push(proxy);
            }
            other => server.children.push(own(other.name(), address, work, tokens)?),
        }
        answers(address)?;
        Ok(server)
    }

    /// The process id of its first process.
    pub(crate) fn process(&self) -> u32 {
        self.children.first().map_or(0, Child::id)
    }

    /// The memory that its processes hold, in bytes.
    pub(crate) fn resident(&self) -> Result<f64, BoxError> {
        let mut all = 0;
        for child in &self.children {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kilobytes =
                line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
            all += kilobytes.parse::<u32>()?;
        }
        Ok(f64::from(all) * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _killed = child.kill();
            let _ended = child.wait();
        }
    }
}

/// A command on the servers' processor, whose output goes nowhere.
pub(crate) fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER]).arg(program).stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// One of the servers of this program.
fn own(name: &str, address: SocketAddr, work: &Path, tokens: &Tokens) -> Result<Child, BoxError> {
    let mut command = pinned(&std::env::current_exe()?);
    let command = command.args(["serve", name]).arg(tokens.public());
    Ok(command.env("LISTEN", address.to_string()).env("HEADERS", work.join(HEADERS)).spawn()?)
}

/// The example as shipped, in production, with quotas that nothing reaches.
fn hardened_api(address: SocketAddr, tokens: &Tokens) -> Result<Child, BoxError> {
    let program = std::env::current_exe()?.with_file_name("hardened-api");
    Ok(pinned(&program)
        .env_clear()
        .env("HARDPOINT_ENV", "prod")
        .env("HARDPOINT_LISTEN", address.to_string())
        .env("HARDPOINT_ADMIN_LISTEN", free()?.to_string())
        .env("HARDPOINT_RATE_LIMIT", "1000000/1s")
        .env("HARDPOINT_SUBJECT_RATE_LIMIT", "1000000/1s")
        .env("JWT_SIGNING_KEY", &tokens.private)
        .env("HARDPOINT_ROOT_SECRET", &tokens.root)
        .spawn()?)
}

fn free() -> Result<SocketAddr, BoxError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until a server listens.
fn answers(address: SocketAddr) -> Result<(), BoxError> {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            return Err(format!("no server listens on {address}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The headers that ours adds to a response of `bare`, a line each: what the server with the same
/// bytes and HAProxy add too. Values that differ per request keep the length of this one.
pub(crate) fn headers_of_ours(tokens: &Tokens, work: &Path) -> Result<String, BoxError> {
    let server = Running::start(Kind::Hardpoint, tokens, "", work)?;
    let own = fs::read_to_string(tokens.file("own"))?;
    let token = own.lines().next().ok_or("no token")?;
    let mut stream = TcpStream::connect(server.address)?;
    write!(
        stream,
        "GET /api/v1/ping HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    if !response.starts_with("HTTP/1.1 200") {
        return Err(format!("hardened-api answered {response}").into());
    }
    let (head, _) = response.split_once("\r\n\r\n").ok_or("no head")?;
    let is_of_bare = |line: &str| {
        ["content-type:", "content-length:", "date:", "connection:"]
            .iter()
            .any(|name| line.to_ascii_lowercase().starts_with(name))
    };
    let lines: Vec<_> = head.split("\r\n").skip(1).filter(|line| !is_of_bare(line)).collect();
    let text = lines.join("\n");
    eprintln!("hardpoint adds {} headers, {} bytes", lines.len(), text.len() + 2 * lines.len());
    fs::write(work.join(HEADERS), &text)?;
    Ok(text)
}
