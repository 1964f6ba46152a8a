//! The service contract of core's future and body.

use hardpoint_core::{
    Client, ClientResolver, Identity, Key, ManualClock, Problem, Refusals, RequestContext,
    ResponseBody, ResponseFuture, Secret, Telemetry, Time,
};
use hardpoint_testkit::{
    TestBody, contract,
    spy::{Spy, SpyFuture},
};
use http::Request;

use crate::gate::{Gate, GateLayer};

fn request() -> Request<TestBody> {
    Request::new(TestBody::default())
}

#[test]
fn forwarding_keeps_every_law() {
    contract::run(&GateLayer::default(), request);
}

#[test]
fn forwarding_allocates_nothing() {
    let allocations = contract::allocations("forwarding", &GateLayer::default(), request);
    assert_eq!((allocations.context, allocations.header_map), (0, 0));
    allocations.assert_layer(0);
}

#[test]
fn refusing_is_answering() {
    contract::refusals_are_responses(&GateLayer::default(), || {
        let mut request = request();
        let value = http::HeaderValue::from_static("1");
        request.headers_mut().insert("x-refuse", value);
        request
    });
}

#[test]
fn an_inner_body_is_forwarded_whole() {
    contract::body_is_forwarded(ResponseBody::inner);
}

#[test]
fn what_crosses_threads_may() {
    contract::assert_auto_traits::<Client>();
    contract::assert_auto_traits::<ClientResolver>();
    contract::assert_auto_traits::<Gate<Spy>>();
    contract::assert_auto_traits::<Identity>();
    contract::assert_auto_traits::<Key<'static>>();
    contract::assert_auto_traits::<ManualClock>();
    contract::assert_auto_traits::<Problem>();
    contract::assert_auto_traits::<Refusals>();
    contract::assert_auto_traits::<RequestContext>();
    contract::assert_auto_traits::<ResponseBody<TestBody>>();
    contract::assert_auto_traits::<ResponseFuture<SpyFuture, TestBody>>();
    contract::assert_auto_traits::<Secret<str>>();
    contract::assert_auto_traits::<Telemetry>();
    contract::assert_auto_traits::<Time>();
}
