//! Each law is broken once, and the contract says so.

mod faulty;
mod refusals;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hardpoint_testkit::{
    TestBody,
    contract::{self, allocations},
    spy::Spy,
};
use http::Request;

use self::faulty::{Fault, Faulty, FaultyLayer, deferring, spawning};

fn request() -> Request<TestBody> {
    Request::new(TestBody::default())
}

/// The message that `check` panics with.
pub(crate) fn broken(check: impl FnOnce()) -> String {
    let panic = match catch_unwind(AssertUnwindSafe(check)) {
        Ok(()) => panic!("a broken layer passed"),
        Err(panic) => panic,
    };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}

#[track_caller]
fn breaks(check: impl FnOnce(), message: &str) {
    let found = broken(check);
    assert!(found.contains(message), "{found:?} does not say {message:?}");
}

#[test]
fn a_layer_that_forwards_keeps_every_law() {
    contract::run(&FaultyLayer(Fault::None), request);
    contract::assert_auto_traits::<Faulty<Spy>>();
}

#[test]
fn a_layer_that_swaps_in_the_clone_keeps_every_law() {
    contract::run(&FaultyLayer(Fault::SwapsInAClone), request);
}

#[test]
fn a_layer_that_leaves_readiness_to_its_future_keeps_every_law() {
    contract::run(&deferring(), request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wake_up_may_come_from_another_thread() {
    contract::wakers_are_kept(&spawning(), request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_that_outlives_its_future_is_found() {
    breaks(
        || contract::dropping_the_future_returns_permits(&spawning(), request),
        "permits in use after a future was dropped",
    );
}

#[test]
fn a_request_body_of_any_type_fits() {
    let layer = FaultyLayer(Fault::None);
    contract::run(&layer, || Request::new(http_body_util::Full::<bytes::Bytes>::default()));
    contract::run(&layer, || Request::new(()));
}

#[test]
fn calling_a_fresh_clone_is_found() {
    let layer = FaultyLayer(Fault::CallsAClone);
    let message = "call the instance that was polled";
    breaks(|| contract::readiness_is_asked_of_the_same_instance(&layer, request), message);
    breaks(|| contract::run(&layer, request), message);
}

#[test]
fn calling_a_fresh_clone_is_found_behind_a_caught_panic() {
    let layer = FaultyLayer(Fault::CallsACloneAndHidesIt);
    breaks(
        || contract::readiness_is_asked_of_the_same_instance(&layer, request),
        "an instance was called before its poll_ready returned Ready",
    );
}

#[test]
fn readiness_that_is_not_asked_for_is_found() {
    let layer = FaultyLayer(Fault::AlwaysReady);
    breaks(
        || contract::readiness_is_asked_of_the_same_instance(&layer, request),
        "call the instance that was polled",
    );
}

#[test]
fn a_waker_that_poll_ready_drops_is_found() {
    let layer = FaultyLayer(Fault::DropsTheReadyWaker);
    breaks(
        || contract::wakers_are_kept(&layer, request),
        "poll_ready was pending, the inner service became ready, and the last waker was not woken",
    );
}

#[test]
fn a_future_that_keeps_the_first_waker_is_found() {
    let layer = FaultyLayer(Fault::KeepsTheFirstWaker);
    breaks(
        || contract::wakers_are_kept(&layer, request),
        "the future was pending, the inner service became ready, and the last waker was not woken",
    );
}

#[test]
fn a_future_that_is_not_dropped_is_found() {
    let layer = FaultyLayer(Fault::ForgetsItsFuture);
    breaks(
        || contract::dropping_the_future_returns_permits(&layer, request),
        "permits in use after a future was dropped after 0 polls",
    );
}

#[test]
fn a_service_that_outlives_its_owner_is_found() {
    let layer = FaultyLayer(Fault::ForgetsTheInner);
    breaks(
        || contract::dropping_the_future_returns_permits(&layer, request),
        "an inner service outlives",
    );
}

#[test]
fn a_clone_for_each_question_is_found() {
    let layer = FaultyLayer(Fault::StashesClones);
    breaks(
        || contract::clones_do_not_double_permits(&layer, request),
        "one service was polled 2 times: 2 permits are in use, expected at most 1",
    );
}

#[test]
fn a_changed_error_is_found() {
    let layer = FaultyLayer(Fault::ChangesTheError);
    breaks(
        || contract::errors_are_preserved(&layer, request),
        "the inner service failed in its future",
    );
    let layer = FaultyLayer(Fault::ChangesTheReadyError);
    breaks(
        || contract::errors_are_preserved(&layer, request),
        "the inner service failed in poll_ready",
    );
}

#[test]
fn a_changed_body_is_found() {
    for (fault, message) in [
        (Fault::DropsTrailers, "trailers of a body"),
        (Fault::HidesTheSize, "size of an empty body"),
        (Fault::HidesTheEnd, "is_end_stream of an empty body is false"),
        (Fault::EndsEarly, "is_end_stream of an unread body is true"),
        (Fault::SwallowsBodyErrors, "the error of a failing body is lost"),
        (Fault::DropsTheBody, "is_end_stream of an unread body is true"),
        (Fault::ChangesTheStatus, "the handler's status"),
    ] {
        let layer = FaultyLayer(fault);
        breaks(|| contract::trailers_and_size_hint_survive(&layer, request), message);
    }
}

#[test]
fn allocations_are_told_apart() {
    let of = |fault| allocations("a test", &FaultyLayer(fault), request);
    let none = of(Fault::None);
    assert_eq!((none.context, none.header_map, none.layer), (0, 0, 0));
    none.assert_layer(0);

    let boxes = of(Fault::Boxes);
    assert_eq!((boxes.context, boxes.header_map, boxes.layer), (0, 0, 1));
    breaks(|| boxes.assert_layer(0), "context 0, header map 0, layer 1");

    // One Arc; the extensions' map, its table and the box of the value.
    let context = of(Fault::MakesAContext);
    assert_eq!((context.context, context.header_map, context.layer), (4, 0, 0));

    // Indices and entries of a map that was empty.
    let header = of(Fault::AddsAHeader);
    assert_eq!((header.context, header.header_map, header.layer), (0, 2, 0));
}
