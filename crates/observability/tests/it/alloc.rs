use hardpoint_observability::{Logs, RecordLayer};
use hardpoint_testkit::{TestBody, contract};
use http::{HeaderValue, Request, header::USER_AGENT};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::SubscriberExt;

fn request() -> Request<TestBody> {
    let mut request = Request::new(TestBody::default());
    let agent = HeaderValue::from_static("curl/8");
    request.headers_mut().insert(USER_AGENT, agent);
    request
}

#[test]
fn the_id_is_the_only_allocation_when_nobody_listens() {
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        contract::allocations("record", &RecordLayer::new(), request).assert_layer(1);
        contract::allocations("record, off", &RecordLayer::off(), request).assert_layer(0);
    });
}

#[test]
fn an_id_that_is_taken_over_costs_nothing() {
    let layer = RecordLayer::new().accept_ids();
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        let known = || {
            let mut request = request();
            let id = HeaderValue::from_static("r-1");
            request.headers_mut().insert("x-request-id", id);
            request
        };
        contract::allocations("record, id known", &layer, known).assert_layer(0);
    });
}

#[test]
fn the_line_and_the_span_cost_little_more() {
    let logs = Logs::json("orders").version("1.4.2").environment("test");
    let layer = logs.layer(std::io::sink).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        // The id, the span's texts, and the box that holds them. The line itself is assembled in
        // the thread's buffer.
        contract::allocations("record, logged", &RecordLayer::new(), request).assert_layer(3);
    });
}
