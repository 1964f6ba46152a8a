//! The stack keeps its order, whatever order it is filled in.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use hardpoint::Stack;
use tower::{Layer, ServiceExt, layer::layer_fn, service_fn};

type Trace = Arc<Mutex<Vec<&'static str>>>;

/// A layer that notes down its name when a request passes.
fn named<S>(
    name: &'static str,
    trace: &Trace,
) -> impl Layer<S, Service = tower::util::MapRequest<S, impl FnMut(()) + Clone>> + Clone
where
    S: tower::Service<()>,
{
    let trace = Arc::clone(trace);
    layer_fn(move |inner: S| {
        let trace = Arc::clone(&trace);
        inner.map_request(move |()| trace.lock().unwrap().push(name))
    })
}

#[tokio::test]
async fn layers_are_put_in_order_however_they_are_given() {
    let trace = Trace::default();
    let handler = service_fn(async |()| Ok::<_, Infallible>(()));
    let backwards = Stack::new()
        .body_limit(named("body limit", &trace))
        .rate_limit_by_subject(named("rate limit by subject", &trace))
        .authenticate(named("authenticate", &trace))
        .rate_limit_by_address(named("rate limit by address", &trace))
        .catch_panic(named("catch panic", &trace))
        .problem(named("problem", &trace))
        .security_headers(named("security headers", &trace))
        .record(named("record", &trace))
        .client(named("client", &trace))
        .drain(named("drain", &trace))
        .probes(named("probes", &trace));
    backwards.layer(handler).oneshot(()).await.unwrap();
    let expected = [
        "probes",
        "drain",
        "client",
        "record",
        "security headers",
        "problem",
        "catch panic",
        "rate limit by address",
        "authenticate",
        "rate limit by subject",
        "body limit",
    ];
    assert_eq!(*trace.lock().unwrap(), expected);

    trace.lock().unwrap().clear();
    let partial = Stack::new()
        .rate_limit_by_address(named("inner", &trace))
        .record(named("replaced", &trace))
        .record(named("outer", &trace));
    partial.layer(handler).oneshot(()).await.unwrap();
    assert_eq!(*trace.lock().unwrap(), ["outer", "inner"]);
}

#[tokio::test]
async fn an_empty_stack_changes_nothing() {
    let handler = service_fn(async |number: u32| Ok::<_, Infallible>(number + 1));
    assert_eq!(Stack::new().layer(handler).oneshot(1).await, Ok(2));
}
