//! Request bodies of hedged calls.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hardpoint_resilience::{HedgeLayer, retry::ReplayBody};
use hardpoint_testkit::TestBody;
use http::{HeaderMap, Request};
use tower::{Layer, ServiceExt, service_fn};

use super::{Destination, Log, builder, ms};
use crate::support::{read, status};

type Received = Vec<(Bytes, Option<HeaderMap>)>;

/// The bodies that a destination receives if it reads each body and answers the first attempt late.
async fn received(layer: &HedgeLayer, body: TestBody) -> Received {
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    let client = service_fn(move |request: Request<ReplayBody<TestBody>>| {
        let log = Arc::clone(&log);
        async move {
            let body = read(request.into_body()).await;
            let first = {
                let mut log = log.lock().unwrap();
                log.push(body);
                log.len() == 1
            };
            tokio::time::sleep(ms(if first { 100 } else { 1 })).await;
            Ok::<_, io::Error>(status::<TestBody>(200))
        }
    });
    let request = Request::get("/").body(body).unwrap();
    layer.layer(client).oneshot(request).await.unwrap();
    std::mem::take(&mut *received.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_hedge_sends_the_whole_body() {
    let layer = builder().build().unwrap();
    Destination::known_to(&layer).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "abc".parse().unwrap());
    let body =
        TestBody::default().data("hello ").pending().data("world").trailers(trailers.clone());
    let whole = (Bytes::from("hello world"), Some(trailers));
    assert_eq!(received(&layer, body.clone()).await, vec![whole.clone(), whole.clone()]);
    assert_eq!(received(&layer, body.without_size()).await, vec![whole.clone(), whole]);
    let empty = (Bytes::new(), None);
    assert_eq!(received(&layer, TestBody::default()).await, vec![empty.clone(), empty]);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_sent_once() {
    let log = Log::default();
    let layer = builder().replay_limit(1_000).telemetry(&log.telemetry()).build().unwrap();
    Destination::known_to(&layer).await;
    let long = TestBody::default().data(vec![1; 1_001]);
    assert_eq!(received(&layer, long.clone()).await.len(), 1);
    assert_eq!(log.take(), Vec::<&str>::new(), "none was ever due");
    let received = received(&layer, long.without_size()).await;
    assert_eq!((received.len(), received[0].0.len()), (1, 1_001));
    assert_eq!(log.take(), ["body"]);
}

/// A destination that has not read the whole request is not slow to answer it.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_still_sent_is_not_hedged() {
    let log = Log::default();
    let layer = builder().telemetry(&log.telemetry()).build().unwrap();
    Destination::known_to(&layer).await;
    let calls = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&calls);
    let client = service_fn(move |request: Request<ReplayBody<TestBody>>| {
        *counter.lock().unwrap() += 1;
        async move {
            tokio::time::sleep(ms(100)).await;
            assert_eq!(read(request.into_body()).await.0, "onetwo");
            Ok::<_, io::Error>(status::<TestBody>(200))
        }
    });
    let body = TestBody::default().data("one").data("two");
    let request = Request::get("/").body(body).unwrap();
    assert_eq!(layer.layer(client).oneshot(request).await.unwrap().status(), 200);
    assert_eq!((*calls.lock().unwrap(), log.take()), (1, vec!["body"]));
}
