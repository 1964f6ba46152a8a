//! What a link reports, and what it costs to be refused.

use std::time::Duration;

use hardpoint_core::{
    Event, Telemetry,
    event::{LinkAnswered, LinkChanged},
};
use hardpoint_redis::{ErrorKind, LinkState, Redis};
use hardpoint_testkit::redis::RedisServer;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::support::{DEADLINE, PATIENCE, link, next, states, up};

const NONE: [&str; 0] = [];

#[tokio::test]
async fn every_command_and_every_change_of_state_is_one_event() {
    let server = RedisServer::start();
    let (sender, mut events) = mpsc::unbounded_channel();
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        let line = match *event {
            Event::LinkAnswered(LinkAnswered { link, result: Ok(()), took, .. }) => {
                assert!(took > Duration::ZERO);
                format!("{link} answered")
            }
            Event::LinkAnswered(LinkAnswered { link, result: Err(kind), .. }) => {
                format!("{link} failed {}", kind.as_str())
            }
            Event::LinkChanged(LinkChanged { link, state, .. }) => {
                format!("{link} {}", state.as_str())
            }
            _ => return,
        };
        sender.send(line).unwrap();
    });
    let redis = Redis::builder(server.url())
        .deadline(DEADLINE)
        .name("limits")
        .telemetry(&telemetry)
        .build()
        .unwrap();
    up(&redis).await;
    redis.check().await.unwrap();
    redis.send("LPUSH", ["k", "v"]).await.unwrap();
    redis.send("GET", ["k"]).await.unwrap_err();
    server.pause();
    // The reply is dropped: the command is reported all the same.
    drop(redis.send("PING", NONE));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event| event != "limits down") {
        seen.push(timeout(PATIENCE, events.recv()).await.unwrap().unwrap());
    }
    redis.check().await.unwrap_err();
    server.resume();
    up(&redis).await;
    // The link ends with its last handle, and the observer with the link.
    drop((redis, telemetry));
    while let Some(event) = timeout(PATIENCE, events.recv()).await.unwrap() {
        seen.push(event);
    }
    // The command that the pause held up is reported when it is answered, or with its connection.
    let late = seen.iter().position(|event| event == "limits failed timeout");
    seen.remove(late.expect("the command that was not answered is reported"));
    let expected = [
        "limits up",
        "limits answered",
        "limits answered",
        "limits failed corrupt",
        "limits down",
        "limits failed unavailable",
        "limits up",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_refusal_takes_microseconds() {
    let mut server = RedisServer::start();
    let (telemetry, mut changes) = states();
    let redis = Redis::builder(server.url()).telemetry(&telemetry).build().unwrap();
    assert_eq!(next(&mut changes).await, LinkState::Up);
    server.kill();
    assert_eq!(next(&mut changes).await, LinkState::Connecting);
    assert_eq!(next(&mut changes).await, LinkState::Down);
    let mut took: Vec<_> = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        redis.send("PING", NONE).await.unwrap_err();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!(
        "a refusal takes {:?} (median), {:?} (p99), without optimisation",
        took[500], took[990]
    );
    // The goal is 10 µs.
    assert!(took[500] <= Duration::from_micros(20), "{:?}", took[500]);
}

#[test]
fn a_link_whose_runtime_has_ended_refuses_and_does_not_hang() {
    let server = RedisServer::start();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let redis = first.block_on(link(server.url()));
    let waiting = redis.send("PING", NONE);
    drop(first);
    let second = runtime();
    let error = second.block_on(waiting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(redis.send("PING", NONE).refused().is_some());
}
