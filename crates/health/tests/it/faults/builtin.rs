//! Ready-made checks on real sockets and files.

use std::{io, time::Duration};

use hardpoint_core::Time;
use hardpoint_health::builtin::{self, RunFuture};
use http::{HeaderValue, StatusCode};
use tokio::net::{TcpListener, TcpSocket};

async fn code(mut run: impl FnMut() -> RunFuture) -> Option<&'static str> {
    run().await.err().map(|down| down.code())
}

#[tokio::test]
async fn tcp_tells_a_refused_connection_from_an_unresolved_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap().to_string();
    assert_eq!(code(builtin::tcp(open.clone())).await, None);
    drop(listener);
    assert_eq!(code(builtin::tcp(open)).await, Some("refused"));
    for unresolved in ["nowhere.invalid:80", "no port", ""] {
        assert_eq!(code(builtin::tcp(unresolved)).await, Some("unresolved"), "{unresolved}");
    }
    // Bound and not listening.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let deaf = bound.local_addr().unwrap().to_string();
    assert_eq!(code(builtin::tcp(deaf)).await, Some("refused"));
}

#[tokio::test]
async fn dns_resolves_by_the_system() {
    assert_eq!(code(builtin::dns("localhost")).await, None);
    assert_eq!(code(builtin::dns("nowhere.invalid")).await, Some("unresolved"));
}

#[tokio::test]
async fn http_expects_a_success() {
    for (status, expected) in [
        (200, None),
        (204, None),
        (301, Some("redirected")),
        (404, Some("client_error")),
        (503, Some("server_error")),
        (101, Some("unexpected")),
        (600, Some("unexpected")),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let run = builtin::http(move || async move { Ok::<_, io::Error>(status) });
        assert_eq!(code(run).await, expected, "{status}");
    }
    let failing = builtin::http(|| async { Err::<StatusCode, _>("reset") });
    assert_eq!(code(failing).await, Some("failed"));
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_allowed_is_reported() {
    let skewed = async |seconds: i64| {
        let now = i64::try_from(Time::system().unix().as_secs()).unwrap();
        let then = Duration::from_secs((now + seconds).try_into().unwrap());
        let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + then);
        let date = HeaderValue::try_from(date).unwrap();
        let answer = move || {
            let date = date.clone();
            async move { Ok::<_, io::Error>(Some(date)) }
        };
        code(builtin::clock_skew(Duration::from_secs(30), answer)).await
    };
    for fine in [-25, -1, 0, 1, 25] {
        assert_eq!(skewed(fine).await, None, "{fine}");
    }
    for wrong in [-3_600, -40, 40, 3_600] {
        assert_eq!(skewed(wrong).await, Some("skewed"), "{wrong}");
    }
    let none = || async { Ok::<_, io::Error>(None) };
    assert_eq!(code(builtin::clock_skew(Duration::ZERO, none)).await, Some("no_date"));
    let failing = || async { Err::<Option<HeaderValue>, _>("reset") };
    assert_eq!(code(builtin::clock_skew(Duration::ZERO, failing)).await, Some("failed"));
}

#[cfg(unix)]
#[tokio::test]
async fn disk_space_is_that_of_the_file_system() {
    let here = env!("CARGO_MANIFEST_DIR");
    assert_eq!(code(builtin::disk_space(here, 1)).await, None);
    assert_eq!(code(builtin::disk_space(here, u64::MAX)).await, Some("full"));
    assert_eq!(code(builtin::disk_space("/nowhere/at/all", 1)).await, Some("failed"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_limits_of_this_process_are_read() {
    assert_eq!(code(builtin::open_files(100)).await, None);
    assert_eq!(code(builtin::open_files(0)).await, Some("exhausted"));
    assert_eq!(code(builtin::cgroup_memory(100)).await, None);
}
