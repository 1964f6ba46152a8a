//! A private server.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::chown,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hardpoint_testkit::eventually;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How long a server may take to start, and everything else to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of its own on a free port of the loopback interface, in a folder of its own, and stopped
/// when it is dropped. A
/// crash of the machine may lose its data, and one of the server does not.
pub(crate) struct Server {
    folder: Folder,
    port: u16,
    child: Option<Child>,
    _template: Arc<Folder>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (folder, template) = (Folder::new(), template());
        let copied = command("cp").arg("-a").arg(template.0.join("data")).arg(&folder.0).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot copy the data");
        let port = free_port();
        let mut server = Self { folder, port, child: None, _template: template };
        server.launch().await;
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        options(self.address())
    }

    /// A pool of connections. Nothing is connected yet.
    pub(crate) fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(16).connect_lazy_with(self.options())
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.options()).await.unwrap()
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let script = format!("kill -s QUIT {}", child.id());
            assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
            child.wait().unwrap();
        }
    }

    /// Starts it again with the same data.
    pub(crate) async fn launch(&mut self) {
        let log = fs::File::create(self.folder.0.join("log")).unwrap();
        let started = program("postgres")
            .arg("-D")
            .arg(self.folder.0.join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"])
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(started.unwrap());
        let answers = eventually("the server", async || {
            PgConnection::connect_with(&self.options()).await.is_ok()
        });
        if tokio::time::timeout(PATIENCE, answers).await.is_err() {
            let log = fs::read_to_string(self.folder.0.join("log")).unwrap_or_default();
            panic!("the server did not start; its log:\n{log}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How to connect to a server, or to a network before it.
pub(crate) fn options(address: SocketAddr) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&address.ip().to_string())
        .port(address.port())
        .username("postgres")
        .database("postgres")
}

/// The data of a new server, which servers that exist at the same time share.
fn template() -> Arc<Folder> {
    static TEMPLATE: Mutex<Weak<Folder>> = Mutex::new(Weak::new());
    let mut shared = TEMPLATE.lock().unwrap();
    if let Some(made) = shared.upgrade() {
        return made;
    }
    let folder = Arc::new(Folder::new());
    let made = program("initdb")
        .arg("-D")
        .arg(folder.0.join("data"))
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    *shared = Arc::downgrade(&folder);
    folder
}

/// A folder that the server may write to, and that is removed with its content.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hardpoint-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        if is_root() {
            chown(&folder, Some(id("-u", "postgres")), Some(id("-g", "postgres"))).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// A program of the server, as the user `postgres` if this one is root: it refuses to run as root.
fn program(name: &str) -> Command {
    let newest = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = newest.map(|version| version.path().join("bin")).max();
    let path = newest.map_or_else(|| name.into(), |folder| folder.join(name));
    command(&path)
}

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| {
        let user = Command::new("id").arg("-u").output().unwrap();
        user.stdout.trim_ascii() == b"0"
    })
}

fn id(which: &str, user: &str) -> u32 {
    let found = Command::new("id").args([which, user]).output().unwrap().stdout;
    let found = std::str::from_utf8(&found).unwrap().trim().parse();
    found.unwrap_or_else(|_| panic!("there is no user {user}; scripts/test installs postgresql"))
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
