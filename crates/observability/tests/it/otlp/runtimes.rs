//! Flush and shutdown keep their deadlines on every kind of runtime, and without one.

use std::{convert::Infallible, thread, time::Duration};

use hardpoint_observability::{
    RecordLayer,
    otlp::{DropReason, Otlp, Signal},
};
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use tokio::{runtime::Builder, time::Instant};
use tower::service_fn;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::{
    PATIENCE,
    collector::{Behaviour, Collector, Protocol},
    start,
};

/// How late a deadline may be on a busy machine.
const LATE: Duration = Duration::from_secs(2);

/// Records one span, without a runtime.
fn record(otlp: &Otlp) {
    let never = service_fn(|_| std::future::pending::<Result<Response<TestBody>, Infallible>>());
    let request = Request::get("/").body(TestBody::default()).unwrap();
    // The span of a request whose future is dropped is recorded, too.
    drop(RecordLayer::new().otlp(otlp).layer(never).call(request));
}

/// Runs `test` on every kind of runtime, also inside a task, and without one.
fn everywhere(test: impl Fn(&Otlp) + Copy + Send + Sync + 'static, make: impl Fn() -> Otlp) {
    let otlp = make();
    thread::spawn(move || test(&otlp)).join().unwrap();
    for runtime in [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap(),
    ] {
        let (outside, inside) = (make(), make());
        runtime.block_on(async move { test(&outside) });
        runtime.block_on(runtime.spawn(async move { test(&inside) })).unwrap();
    }
}

#[test]
fn a_blocking_shutdown_sends_everything_wherever_it_is_called() {
    let collector = Collector::start(Protocol::Grpc);
    everywhere(
        |otlp| {
            record(otlp);
            assert!(otlp.blocking_flush(PATIENCE));
            assert_eq!(otlp.totals(Signal::Traces).sent, 1);
            record(otlp);
            assert!(otlp.blocking_shutdown(PATIENCE));
            assert_eq!(otlp.totals(Signal::Traces).sent, 2);
            // Later records are counted.
            record(otlp);
            let totals = otlp.totals(Signal::Traces);
            assert_eq!((totals.recorded, totals.dropped_for(DropReason::Shutdown)), (3, 1));
            assert!(otlp.blocking_flush(PATIENCE) && otlp.blocking_shutdown(PATIENCE));
        },
        || start(&collector, &[]),
    );
}

#[test]
fn a_blocking_shutdown_ends_at_its_deadline_wherever_it_is_called() {
    let collector = Collector::with(Protocol::Http, Behaviour::Hang, true);
    everywhere(
        |otlp| {
            record(otlp);
            let begin = Instant::now();
            assert!(!otlp.blocking_flush(Duration::from_millis(100)));
            assert!(!otlp.blocking_shutdown(Duration::from_millis(100)));
            assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
            let totals = otlp.totals(Signal::Traces);
            assert_eq!(totals.dropped_for(DropReason::Shutdown), 1, "{totals:?}");
        },
        || start(&collector, &[]),
    );
}

#[test]
fn an_awaited_shutdown_works_on_every_executor() {
    let collector = Collector::start(Protocol::Http);
    let hanging = Collector::with(Protocol::Grpc, Behaviour::Hang, true);
    let test = async |collector: &Collector, within: Duration, expected: bool| {
        let otlp = start(collector, &[]);
        record(&otlp);
        let begin = Instant::now();
        assert_eq!(otlp.flush(within).await, expected);
        assert_eq!(otlp.shutdown(within).await, expected);
        if !expected {
            assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
        }
        let totals = otlp.totals(Signal::Traces);
        assert_eq!((totals.sent == 1, totals.dropped() == 1), (expected, !expected));
    };
    let all = async || {
        test(&collector, PATIENCE, true).await;
        test(&hanging, Duration::from_millis(100), false).await;
    };
    Builder::new_current_thread().build().unwrap().block_on(all());
    Builder::new_multi_thread().enable_all().build().unwrap().block_on(all());
    without_runtime(all());
}

/// Polls without any runtime.
fn without_runtime<T>(future: impl Future<Output = T>) -> T {
    use std::{
        pin::pin,
        sync::Arc,
        task::{Context, Poll, Wake, Waker},
    };

    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn a_collector_that_is_not_there_does_not_hold_up_the_end() {
    let url = Collector::start(Protocol::Grpc).url();
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let builder = hardpoint_observability::otlp::OtlpBuilder::from_variables(variables).unwrap();
    let otlp = builder.start().unwrap();
    record(&otlp);
    let begin = Instant::now();
    assert!(!otlp.blocking_shutdown(PATIENCE));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(otlp.totals(Signal::Traces).dropped_for(DropReason::Shutdown), 1);
}

#[tokio::test]
async fn dropping_the_waiting_for_a_shutdown_does_not_stop_it() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    record(&otlp);
    {
        let mut waiting = std::pin::pin!(otlp.shutdown(PATIENCE));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    }
    collector.wait_for_requests(1).await;
    assert!(otlp.flush(PATIENCE).await);
    assert_eq!(otlp.totals(Signal::Traces).sent, 1);
}

#[tokio::test]
async fn records_are_sent_when_the_last_handle_is_dropped() {
    let collector = Collector::start(Protocol::Http);
    let otlp = start(&collector, &[]);
    record(&otlp);
    drop(otlp);
    collector.wait_for_requests(1).await;
    assert_eq!(collector.accepted(), 1);
}

#[tokio::test]
async fn an_exporter_that_is_off_does_nothing() {
    let builder =
        hardpoint_observability::otlp::OtlpBuilder::from_variables([("PATH", "/")]).unwrap();
    assert!(!builder.is_on());
    let otlp = builder.start().unwrap();
    record(&otlp);
    assert_eq!(otlp.totals(Signal::Traces).recorded, 0);
    assert!(otlp.flush(Duration::ZERO).await && otlp.blocking_flush(Duration::ZERO));
    assert!(otlp.shutdown(Duration::ZERO).await && otlp.blocking_shutdown(Duration::ZERO));
}
