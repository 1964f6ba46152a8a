//! The program over real sockets, in both versions of HTTP.

use std::{process::Command, time::Duration};

use hardpoint_testkit::http::{Client, Process};
use http::Request;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_hyper_service_is_hardened() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyper-minimal"));
    let process = Process::spawn(command.env_clear().env("LISTEN", "127.0.0.1:0"));
    let line = process.line(PATIENCE, |line| line.contains("listening")).await;
    let (_, address) = line.split_once("\"address\":\"").unwrap();
    let url = |path: &str| format!("http://{}{path}", address.split('"').next().unwrap());

    for client in [Client::new(), Client::http2()] {
        let home = client.get(url("/")).await;
        assert_eq!((home.status.as_u16(), home.text()), (200, "hello"));
        assert_eq!(home.header("x-content-type-options"), "nosniff");
        let echo = client.request(Request::post(url("/echo")), "abc").await;
        assert_eq!((echo.status.as_u16(), echo.text()), (200, "abc"));
        let large = client.request(Request::post(url("/echo")), vec![0; 1025]).await;
        assert_eq!(large.status.as_u16(), 413);
        let unknown = client.get(url("/nowhere")).await;
        assert_eq!(unknown.status.as_u16(), 404);
        assert_eq!(unknown.header("content-type"), "application/problem+json");
    }
    let mut statuses = Vec::new();
    for _ in 0..60 {
        statuses.push(Client::new().get(url("/")).await.status.as_u16());
    }
    assert!(statuses.starts_with(&[200]) && statuses.ends_with(&[429]), "{statuses:?}");
    let lines = process.stdout().join("\n");
    assert!(lines.contains("\"route\":\"/echo\"") && lines.contains("\"client\":\"127.0.0.1\""));
    assert!(!lines.contains("nowhere"), "a path that a client chose is no route");
}
