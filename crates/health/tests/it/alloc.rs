//! What a forwarded request allocates.

use hardpoint_health::{DrainLayer, Lifecycle, ProbeLayer};
use hardpoint_testkit::{TestBody, contract::allocations};
use http::Request;

fn request() -> Request<TestBody> {
    Request::get("/orders/7").body(TestBody::default()).unwrap()
}

#[test]
fn a_forwarded_request_allocates_nothing() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    lifecycle.started();
    let probe = allocations("the probe layer", &ProbeLayer::new(&lifecycle), request);
    let drain = allocations("the drain layer", &DrainLayer::new(&lifecycle), request);
    for figures in [probe, drain] {
        assert_eq!((figures.layer, figures.header_map, figures.context), (0, 0, 0));
    }
}

#[test]
fn while_draining_the_header_map_may_grow() {
    let lifecycle = Lifecycle::builder().build().unwrap();
    lifecycle.begin_drain();
    let figures = allocations("the drain layer, draining", &DrainLayer::new(&lifecycle), request);
    assert_eq!((figures.layer, figures.context), (0, 0));
}
