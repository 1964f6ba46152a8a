//! The laws of a layer.

use hardpoint_health::{DrainLayer, Lifecycle, ProbeLayer, Probes, drain, probe};
use hardpoint_testkit::{
    TestBody,
    contract::{self, assert_auto_traits},
    spy::Spy,
};
use http::Request;

fn lifecycle() -> Lifecycle {
    Lifecycle::builder().build().unwrap()
}

fn request() -> Request<TestBody> {
    Request::get("/orders/7").body(TestBody::default()).unwrap()
}

#[test]
fn the_probe_layer_keeps_the_laws() {
    contract::run(&ProbeLayer::new(&lifecycle()), request);
    contract::run(&ProbeLayer::off(), request);
}

#[test]
fn the_drain_layer_keeps_the_laws_ready_and_draining() {
    let lifecycle = lifecycle();
    contract::run(&DrainLayer::new(&lifecycle), request);
    lifecycle.begin_drain();
    contract::run(&DrainLayer::new(&lifecycle), request);
    contract::run(&DrainLayer::off(), request);
    assert_eq!(lifecycle.in_flight(), 0);
}

#[test]
fn refusals_of_the_probe_layer_are_responses() {
    contract::refusals_are_responses(&ProbeLayer::new(&lifecycle()), || {
        Request::post("/livez").body(TestBody::default()).unwrap()
    });
}

#[test]
fn everything_can_be_shared_and_kept() {
    assert_auto_traits::<Lifecycle>();
    assert_auto_traits::<ProbeLayer>();
    assert_auto_traits::<DrainLayer>();
    assert_auto_traits::<Probes>();
    assert_auto_traits::<probe::Probe<Spy>>();
    assert_auto_traits::<drain::Drain<Spy>>();
    assert_auto_traits::<drain::ResponseBody<TestBody>>();
    assert_auto_traits::<drain::ResponseFuture<std::future::Ready<()>>>();
    let lifecycle = lifecycle();
    let is_send = |_: &(dyn Send + 'static)| {};
    is_send(&lifecycle.draining());
    is_send(&lifecycle.stop_accepting());
    fn run_is_send(lifecycle: &Lifecycle) -> impl Send {
        lifecycle.run(std::future::ready(Ok::<_, std::io::Error>(())))
    }
    drop(run_is_send(&lifecycle));
}
