//! The stack keeps its order, whatever order it is filled in.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use hardpoint::Stack;
use tower::{Layer, Service, ServiceExt, service_fn};

type Trace = Arc<Mutex<Vec<&'static str>>>;

/// A layer that notes down its name when a request passes.
#[derive(Clone)]
struct Named {
    name: &'static str,
    trace: Trace,
}

fn named(name: &'static str, trace: &Trace) -> Named {
    Named { name, trace: Arc::clone(trace) }
}

impl<S> Layer<S> for Named {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting { inner, named: self.clone() }
    }
}

struct Noting<S> {
    inner: S,
    named: Named,
}

impl<S: Service<()>> Service<()> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ()) -> S::Future {
        self.named.trace.lock().unwrap().push(self.named.name);
        self.inner.call(request)
    }
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
