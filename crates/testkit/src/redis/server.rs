//! A private server.

use std::{
    fmt,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Software {
    /// `redis-server`, Debian's.
    #[default]
    Redis,
    /// `valkey-server`: the one that the scripts put into `target/tools`, or the one in the path.
    Valkey,
}

impl Software {
    /// The program. It may not be installed.
    fn program(self) -> PathBuf {
        let installed =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/valkey-server");
        match self {
            Self::Redis => "redis-server".into(),
            Self::Valkey if installed.exists() => installed,
            Self::Valkey => "valkey-server".into(),
        }
    }
}

/// A server of its own on a free port of the loopback interface: without persistence, in a folder
/// of its own, and killed when it is dropped.
///
/// ```no_run
/// use hardpoint_testkit::redis::RedisServer;
///
/// let mut server = RedisServer::start();
/// assert_eq!(server.command(&["SET", "k", "v"]), "+OK");
/// server.pause(); // it accepts connections and answers nothing
/// server.resume();
/// server.restart(); // on the same port, with nothing in it
/// assert_eq!(server.command(&["GET", "k"]), "$-1");
/// ```
pub struct RedisServer {
    settings: RedisServerBuilder,
    port: u16,
    tls_port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

/// What a [`RedisServer`] is started with.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RedisServerBuilder {
    software: Software,
    arguments: Vec<String>,
    password: Option<String>,
    tls: Option<(String, String)>,
}

impl RedisServerBuilder {
    /// Chooses the server. Default: Redis.
    pub fn software(mut self, software: Software) -> Self {
        self.software = software;
        self
    }

    /// Adds a setting, such as `("maxmemory", "2mb")`.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.arguments.push(format!("--{name}"));
        self.arguments.extend(value.split(' ').map(str::to_owned));
        self
    }

    /// Loads the module of the crate redis-cell, which the scripts put into `target/tools`: a limiter
    /// of another origin, as `CL.THROTTLE`.
    pub fn redis_cell(self) -> Self {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/redis_cell.so");
        assert!(module.exists(), "{} is absent; scripts/test builds it", module.display());
        self.set("loadmodule", &module.to_string_lossy())
    }

    /// Makes the default user need a password.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.set("requirepass", password)
    }

    /// Also accepts TLS, on a [port of its own](RedisServer::tls_address), with these files.
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Starts the server, and waits until it answers.
    #[must_use]
    pub fn start(self) -> RedisServer {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("hardpoint-{}-{number}", std::process::id()));
        if let Err(error) = std::fs::create_dir_all(&folder) {
            panic!("cannot create {}: {error}", folder.display());
        }
        let mut server = RedisServer {
            settings: self,
            port: free_port(),
            tls_port: free_port(),
            folder,
            child: None,
        };
        server.launch();
        server
    }
}

impl RedisServer {
    /// Starts a Redis server without settings of its own.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Returns a builder.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its address for TLS, if it was started with [`tls`](RedisServerBuilder::tls).
    #[must_use]
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.tls_port).into()
    }

    /// Its URL, with the password if it has one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(self.address())
    }

    /// The URL of the same server at another address: a [`Network`](super::Network) before it.
    #[must_use]
    pub fn url_of(&self, address: SocketAddr) -> String {
        match &self.settings.password {
            Some(password) => format!("redis://:{password}@{address}"),
            None => format!("redis://{address}"),
        }
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// Its own folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the process without ending it: the kernel still accepts connections and bytes.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Continues after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Kills the process: connections are reset, and new ones refused.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A failure means that it has ended already.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Kills the process if it runs, and starts a new one on the same port, which knows nothing.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Sends one command on a connection of its own and returns the first line of the answer, with
    /// its type: `+OK`, `:1`, `$-1`, `-ERR ..`; of a string, its content.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        match self.try_command(words) {
            Ok(answer) => answer,
            Err(error) => panic!("{words:?} failed: {error}"),
        }
    }

    /// Returns a field of `INFO`, such as `used_memory`, or of `INFO commandstats` with its name,
    /// such as `cmdstat_evalsha`.
    #[must_use]
    pub fn info(&self, field: &str) -> Option<String> {
        let all = self.command(&["INFO", "everything"]);
        all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
    }

    fn try_command(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        if let Some(password) = &self.settings.password {
            exchange(&mut stream, &["AUTH", password])?;
        }
        exchange(&mut stream, words)
    }

    fn launch(&mut self) {
        let program = self.settings.software.program();
        let log = std::fs::File::create(self.folder.join("log"));
        let Ok(log) = log else { panic!("cannot write to {}", self.folder.display()) };
        let mut command = Command::new(&program);
        if let Some((certificate, key)) = &self.settings.tls {
            command.args(["--tls-port", &self.tls_port.to_string(), "--tls-auth-clients", "no"]);
            command.args(["--tls-cert-file", certificate, "--tls-key-file", key]);
        }
        let started = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--unixsocket".as_ref(), self.socket().as_os_str()])
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.settings.arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                panic!("`{}` did not start ({error}); scripts/test installs it", program.display())
            }
        }
        self.wait_until_it_answers();
    }

    /// Waits until the server accepts connections. It may still refuse commands, as one that loads
    /// its data does.
    fn wait_until_it_answers(&mut self) {
        let mut pause = Duration::from_millis(2);
        let mut waited = Duration::ZERO;
        while self.try_command(&["PING"]).is_err() {
            let ended = self.child.as_mut().map(|child| child.try_wait());
            let alive = matches!(ended, Some(Ok(None)));
            if !alive || waited > PATIENCE {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("the server did not start; its log:\n{log}");
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a process starts: no event to wait for"
            )]
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let Some(child) = &self.child else { panic!("the server does not run") };
        let sent =
            Command::new("sh").args(["-c", &format!("kill -s {name} {}", child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to the server");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("address", &self.address())
            .field("runs", &self.child.is_some())
            .finish_non_exhaustive()
    }
}

/// A port that is free now. Another process could take it before the server does; the server's log
/// would say so.
fn free_port() -> u16 {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()) {
        Ok(address) => address.port(),
        Err(error) => panic!("no free port: {error}"),
    }
}

/// Sends one command and reads one answer: a line, or a string.
fn exchange(stream: &mut TcpStream, words: &[&str]) -> std::io::Result<String> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes())?;
    let line = read_line(stream)?;
    let length = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length else { return Ok(line) };
    let mut content = vec![0; length + 2];
    stream.read_exact(&mut content)?;
    content.truncate(length);
    Ok(String::from_utf8_lossy(&content).into_owned())
}

fn read_line(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}
