//! Restarts by SIGTERM behind a real HAProxy, under load.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use hardpoint_testkit::http::{Client, Process};
use tokio::{net::TcpStream, time::timeout};

use crate::{MACHINE, PATIENCE, client::Clients, free, server, start};

/// How often each test restarts a server: 5 times, or 50 in a soak.
fn restarts() -> usize {
    if std::env::var_os("HARDPOINT_SOAK").is_some() { 50 } else { 5 }
}

/// A proxy before two servers, whose readiness it asks for.
struct HaProxy {
    process: Process,
    file: PathBuf,
    address: String,
}

impl HaProxy {
    async fn start(servers: [&str; 2]) -> Self {
        let address = free();
        let [one, other] = servers;
        let text = format!(
            "global
    log stdout format raw local0 notice
defaults
    mode http
    log global
    timeout client 30s
    timeout server 30s
    timeout connect 2s
    option redispatch
frontend public
    bind {address}
    default_backend servers
backend servers
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr host x
    default-server check inter 100ms fall 1 rise 1
    server one {one}
    server other {other}
"
        );
        let name = format!("hardpoint-haproxy-{}.cfg", address.replace(':', "-"));
        let file = std::env::temp_dir().join(name);
        fs::write(&file, text).unwrap();
        let mut command = Command::new("sh");
        // Debian keeps it out of the path of users.
        let run = "PATH=$PATH:/usr/sbin exec haproxy -db -f \"$0\"";
        let process = Process::spawn(command.args(["-c", run]).arg(&file));
        let listening = async {
            while TcpStream::connect(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, listening).await.is_ok(), "{:?}", process.stderr());
        Self { process, file, address }
    }

    /// How often it has found this server up, or down.
    fn found(&self, server: &str, state: &str) -> usize {
        let found = format!("servers/{server} is {state}");
        [self.process.stdout(), self.process.stderr()]
            .iter()
            .flatten()
            .filter(|line| line.contains(&found))
            .count()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _removed = fs::remove_file(&self.file);
    }
}

/// Restarts the two servers in turns under load. Returns the answered and the failed requests.
async fn restart(start: impl AsyncFn(&str) -> Process, exits: bool) -> (u64, u64) {
    let addresses = [free(), free()];
    let mut servers = [start(&addresses[0]).await, start(&addresses[1]).await];
    let proxy = HaProxy::start([&addresses[0], &addresses[1]]).await;
    let load = Clients::start(&format!("load 32 {}", proxy.address));
    load.report::<u64>("loading").await;
    for count in 0..restarts() {
        let (turn, name) = (count % 2, ["one", "other"][count % 2]);
        let up = proxy.found(name, "UP");
        servers[turn].signal("TERM");
        let status = servers[turn].wait(PATIENCE).await;
        assert!(!exits || status.code() == Some(0), "{status:?}");
        // A proxy that has not noticed the end would not notice the beginning either.
        let down = async {
            while proxy.found(name, "DOWN") <= up {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, down).await.is_ok(), "{:?}", proxy.process.stdout());
        servers[turn] = start(&addresses[turn]).await;
        let back = async {
            while proxy.found(name, "UP") <= up {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, back).await.is_ok(), "{:?}", proxy.process.stdout());
    }
    load.stop();
    let [answered, failed] = load.report::<u64>("loaded").await[..] else { panic!() };
    let failures = load.lines();
    let failures = failures.iter().filter(|line| line.starts_with("failed: "));
    for failure in failures.take(5) {
        println!("{failure}");
    }
    (answered, failed)
}

#[tokio::test]
async fn restarts_behind_a_proxy_fail_no_request() {
    let _machine = MACHINE.write().await;
    let ours = async |address: &str| {
        let variables = [
            ("HARDPOINT_LISTEN", address),
            ("HARDPOINT_RATE_LIMIT", "off"),
            // Longer than the proxy takes to notice.
            ("HARDPOINT_DRAIN_DELAY", "400ms"),
        ];
        let service = start(None, &variables).await;
        let (client, readiness) = (Client::new(), format!("{}/readyz", service.admin));
        let ready = async { while client.get(&readiness).await.status != 200 {} };
        timeout(PATIENCE, ready).await.unwrap();
        service.process
    };
    let (answered, failed) = restart(ours, true).await;
    let peer = async |address: &str| server::start(&format!("axum {address}")).await.0;
    let (peer_answered, peer_failed) = restart(peer, false).await;
    println!(
        "{} restarts behind HAProxy: {answered} answered, {failed} failed, goal 0; \
         axum::serve: {peer_answered} answered, {peer_failed} failed",
        restarts()
    );
    assert_eq!(failed, 0);
    assert!(answered > 1_000, "{answered}");
}
