//! What a span costs in allocations, beside the message that opentelemetry-proto makes of it.

use hardpoint_observability::RecordLayer;
use hardpoint_testkit::{
    TestBody,
    contract::{self, allocations_in},
};
use http::Request;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use tracing::subscriber::NoSubscriber;

use super::{
    collector::{Collector, Protocol},
    start,
};

fn request() -> Request<TestBody> {
    Request::new(TestBody::default())
}

#[test]
fn a_span_allocates_the_traceparent_only_and_an_unsampled_request_nothing() {
    let collector = Collector::start(Protocol::Http);
    // Nothing is sent meanwhile.
    let late = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let otlp = start(&collector, &[late]);
    let never = start(&collector, &[late, ("OTEL_TRACES_SAMPLER", "always_off")]);
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        let record = |layer: &RecordLayer| contract::allocations("record", layer, request);
        // The request's id, as without an exporter.
        record(&RecordLayer::new().otlp(&never)).assert_layer(1);
        // The buffers of the thread and of its lane grow at first.
        let layer = RecordLayer::new().otlp(&otlp);
        let _grown = record(&layer);
        record(&layer).assert_layer(2);
    });
}

#[test]
fn the_message_of_a_generated_encoder_allocates_for_each_attribute() {
    let make = || {
        let text = |key: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue("value".to_owned())) }),
            ..KeyValue::default()
        };
        let keys = ["http.request.method", "url.scheme", "url.path", "http.route"];
        let span = Span {
            trace_id: vec![7; 16],
            span_id: vec![3; 8],
            name: "GET /notes".to_owned(),
            attributes: keys.map(text).to_vec(),
            ..Span::default()
        };
        span.encode_to_vec()
    };
    // Keys, values, ids, the name, and the growth of the buffers.
    assert!(allocations_in(make) > 15);
}
