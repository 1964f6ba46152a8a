use hardpoint_core::ManualClock;
use hardpoint_observability::{
    Logs, LogsHandle, RecordLayer,
    record::{Record, RecordBody, ResponseFuture},
};
use hardpoint_testkit::{TestBody, contract};
use http::Request;

fn request() -> Request<TestBody> {
    Request::new(TestBody::default())
}

#[test]
fn the_record_layer_keeps_the_contract_of_services() {
    contract::run(&RecordLayer::new(), request);
    contract::run(&RecordLayer::new().time(ManualClock::default()), request);
    contract::run(&RecordLayer::off(), request);
}

#[test]
fn types_can_be_sent_and_shared() {
    contract::assert_auto_traits::<RecordLayer>();
    contract::assert_auto_traits::<Record<()>>();
    contract::assert_auto_traits::<RecordBody<TestBody>>();
    contract::assert_auto_traits::<ResponseFuture<std::future::Ready<()>>>();
    contract::assert_auto_traits::<Logs>();
    contract::assert_auto_traits::<LogsHandle>();
}
