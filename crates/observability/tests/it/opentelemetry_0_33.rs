//! The bridge, with the SDK, its in-memory exporter, and `tracing-opentelemetry`.

use std::{collections::BTreeMap, convert::Infallible, env, sync::Arc};

use hardpoint_core::{RequestContext, Route};
use hardpoint_observability::{
    Logs, OutgoingLayer, RecordLayer,
    opentelemetry_0_33::{self as bridge, Propagator, RequestSpans},
    outgoing::AllowedHosts,
};
use hardpoint_testkit::{TestBody, leak::CapturedLogs, spy::Spy};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use opentelemetry::{
    Context,
    baggage::BaggageExt as _,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use serde_json::Value as Json;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tracing::{Instrument as _, info, info_span, subscriber::DefaultGuard};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _};

use crate::w3c::{self, PARENT, TRACE, state, trace};

/// A service with the SDK, and with hardpoint's log.
struct Service {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    logs: CapturedLogs,
    _guard: DefaultGuard,
}

impl Service {
    fn new(sampler: Sampler) -> Self {
        // The SDK has the request's span from the record.
        Self::with_spans(sampler, |target| target != "hardpoint::request")
    }

    /// Exports the spans of `tracing` whose target is one of these.
    fn with_spans(sampler: Sampler, are: fn(&str) -> bool) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .build();
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
        let spans = spans.with_filter(filter_fn(move |place| are(place.target())));
        let logs = CapturedLogs::default();
        let lines = Logs::json("orders").layer(logs.writer()).unwrap();
        let subscriber = tracing_subscriber::registry().with(spans).with(lines);
        let guard = tracing::subscriber::set_default(subscriber);
        Self { exporter, provider, logs, _guard: guard }
    }

    fn record(&self) -> RecordLayer {
        RecordLayer::new().accept_ids().opentelemetry_0_33(&RequestSpans::new(&self.provider))
    }

    /// The spans that ended, by their names.
    fn spans(&self) -> BTreeMap<String, SpanData> {
        let spans = self.exporter.get_finished_spans().unwrap();
        spans.into_iter().map(|span| (span.name.to_string(), span)).collect()
    }

    /// The value of a field in each line.
    fn field(&self, name: &str) -> Vec<String> {
        let lines = self.logs.lines();
        let lines = lines.iter().map(|line| serde_json::from_str::<Json>(line).unwrap());
        lines.map(|line| line[name].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn sent(headers: &[(&str, &str)]) -> Request<TestBody> {
    let mut request = Request::get("/notes/7").body(TestBody::default()).unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    request.extensions_mut().insert(Route::from_static("/notes/{id}"));
    request
}

/// A handler that works in a span of its own, across an await.
async fn handler(request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    drop(request);
    let work = async {
        tokio::task::yield_now().await;
        info!("loaded");
    };
    work.instrument(info_span!("load note")).await;
    let mut response = Response::new(TestBody::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(response)
}

#[tokio::test]
async fn spans_in_a_handler_are_children_of_the_request_in_the_callers_trace() {
    let service = Service::new(Sampler::AlwaysOff);
    let parent = format!("00-{TRACE}-{PARENT}-03");
    let request = sent(&[("traceparent", &parent), ("tracestate", "a=1")]);
    service.record().layer(service_fn(handler)).oneshot(request).await.unwrap();

    let spans = service.spans();
    let (request, work) = (&spans["GET /notes/{id}"], &spans["load note"]);
    assert_eq!(spans.len(), 2);
    assert_eq!(request.span_context.trace_id().to_string(), TRACE);
    assert_eq!(request.parent_span_id.to_string(), PARENT);
    assert!(request.parent_span_is_remote && request.span_kind == SpanKind::Server);
    assert_eq!(request.span_context.trace_state().header(), "a=1");
    assert_eq!(work.span_context.trace_id(), request.span_context.trace_id());
    assert_eq!(work.parent_span_id, request.span_context.span_id());
    assert_eq!(work.span_context.trace_flags().to_u8(), 3);
    // The lines name the ids of the exported spans.
    assert_eq!(service.field("trace_id"), [TRACE, TRACE]);
    let id = request.span_context.span_id().to_string();
    assert_eq!(service.field("span_id"), [id.as_str(), id.as_str()]);
}

#[tokio::test]
async fn a_span_has_the_attributes_of_a_request_each_once() {
    let service = Service::new(Sampler::AlwaysOn);
    let mut request = sent(&[("user-agent", "curl/8")]);
    *request.uri_mut() = "/notes/alice@example.org".parse().unwrap();
    service.record().layer(service_fn(handler)).oneshot(request).await.unwrap();

    let span = &service.spans()["GET /notes/{id}"];
    let mut found: Vec<_> =
        span.attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    found.retain(|pair| !pair.starts_with("hardpoint.request_id="));
    assert_eq!(
        found,
        [
            "http.request.method=GET",
            "url.path=/notes/[redacted:email]",
            "url.scheme=http",
            "http.route=/notes/{id}",
            "http.response.status_code=503",
            "network.protocol.version=1.1",
            "user_agent.original=curl/8",
            "http.request.body.size=0",
            "http.response.body.size=0",
            "error.type=503",
        ]
    );
    assert_eq!(span.status, Status::error(""));
    assert!(span.start_time <= span.end_time);
}

#[tokio::test]
async fn the_sdks_sampler_decides_and_everything_inside_follows() {
    for (sampler, flags, sampled) in [
        (Sampler::AlwaysOn, None, true),
        (Sampler::AlwaysOff, None, false),
        (Sampler::AlwaysOff, Some("01"), true),
        (Sampler::AlwaysOn, Some("00"), false),
        (Sampler::AlwaysOn, Some("02"), false),
    ] {
        let service = Service::new(sampler);
        let parent = flags.map(|flags| format!("00-{TRACE}-{PARENT}-{flags}"));
        let headers: Vec<_> = parent.iter().map(|value| ("traceparent", value.as_str())).collect();
        let seen = Arc::new(std::sync::Mutex::new(None));
        let look = Arc::clone(&seen);
        let inner = service_fn(move |request: Request<TestBody>| {
            let context = Arc::clone(RequestContext::find(request.extensions()).unwrap());
            *look.lock().unwrap() = Some(context);
            handler(request)
        });
        service.record().layer(inner).oneshot(sent(&headers)).await.unwrap();

        assert_eq!(service.spans().len(), if sampled { 2 } else { 0 }, "{flags:?}");
        let context = seen.lock().unwrap().take().unwrap();
        let trace = context.trace().unwrap();
        assert_eq!((trace.is_sampled(), context.span_id().is_some()), (sampled, sampled));
        // A trace that the service's sampler drops keeps its random flag.
        assert_eq!(flags == Some("02"), trace.flags == 2, "{flags:?}");
        assert_eq!(service.field("trace_id"), vec![trace.trace_id.to_string(); 2]);
        if let Some(span) = service.spans().get("load note") {
            assert_eq!(span.span_context.trace_id().to_string(), trace.trace_id.to_string());
        }
    }
}

#[tokio::test]
async fn without_the_filter_the_span_of_tracing_is_between_the_requests_and_the_handlers() {
    let service = Service::with_spans(Sampler::AlwaysOn, |_| true);
    service.record().layer(service_fn(handler)).oneshot(sent(&[])).await.unwrap();
    let spans = service.spans();
    let [outer, between, inner] =
        ["GET /notes/{id}", "request", "load note"].map(|name| &spans[name]);
    assert_eq!(between.parent_span_id, outer.span_context.span_id());
    assert_eq!(inner.parent_span_id, between.span_context.span_id());
}

#[tokio::test]
async fn a_provider_that_was_shut_down_makes_no_spans_and_requests_go_on() {
    let service = Service::new(Sampler::AlwaysOn);
    let layer = service.record();
    service.provider.shutdown().unwrap();
    let answer = layer.layer(service_fn(handler)).oneshot(sent(&[])).await.unwrap();
    assert_eq!(answer.headers()["x-request-id"].len(), 36);
    drop(answer);
    assert!(service.spans().is_empty());
    assert_eq!(service.field("trace_id")[1].len(), 32);
}

#[tokio::test]
async fn a_detached_task_continues_the_trace_by_the_requests_context() {
    for flags in ["00", "01"] {
        let service = Service::new(Sampler::AlwaysOn);
        let tracer = service.provider.tracer("queue");
        let inner = service_fn(move |request: Request<TestBody>| {
            let context = RequestContext::find(request.extensions()).unwrap();
            let context = bridge::context_of(context);
            let tracer = tracer.clone();
            async move {
                // Outside of the request's span.
                let sent = tokio::spawn(async move {
                    drop(tracer.start_with_context("send mail", &context));
                    context.baggage().get("tenant").map(ToString::to_string)
                });
                assert_eq!(sent.await.unwrap().as_deref(), Some("a b"));
                Ok::<_, Infallible>(Response::new(TestBody::default()))
            }
        });
        let parent = format!("00-{TRACE}-{PARENT}-{flags}");
        let headers = [("traceparent", parent.as_str()), ("baggage", "tenant=a%20b,user=x")];
        let layer = service.record().baggage(["tenant"]);
        layer.layer(inner).oneshot(sent(&headers)).await.unwrap();

        let spans = service.spans();
        if flags == "00" {
            assert!(spans.is_empty());
            continue;
        }
        let (request, mail) = (&spans["GET /notes/{id}"], &spans["send mail"]);
        assert_eq!(mail.span_context.trace_id().to_string(), TRACE);
        assert_eq!(mail.parent_span_id, request.span_context.span_id());
        assert!(mail.parent_span_is_remote);
    }
}

#[test]
fn without_a_span_of_the_request_the_context_names_the_caller_or_an_id_of_its_own() {
    use hardpoint_core::{Mono, SpanId, TraceContext, TraceId};

    let request = RequestContext::received_at(Mono::ZERO);
    assert!(!bridge::context_of(&request).has_active_span(), "there is no trace");
    for parent in [SpanId::from_bytes([2; 8]), None] {
        let request = RequestContext::received_at(Mono::ZERO);
        let id = TraceId::from_bytes([7; 16]).unwrap();
        request.set_trace(TraceContext::new(id, parent, 0xfe));
        let context = bridge::context_of(&request);
        let context = context.span().span_context().clone();
        assert!(context.is_valid() && context.is_remote());
        assert_eq!(context.trace_id().to_bytes(), [7; 16]);
        assert_eq!(context.trace_flags().to_u8(), 2);
        let found = SpanId::from_bytes(context.span_id().to_bytes());
        assert!(parent.is_none() || found == parent);
    }
}

#[tokio::test]
async fn a_call_names_the_current_span_of_the_sdk_as_its_parent() {
    for is_set in [true, false] {
        let service = Service::new(Sampler::AlwaysOn);
        let (spy, handle) = Spy::new();
        let hosts = AllowedHosts::new(["inventory"]).unwrap();
        let mut client = OutgoingLayer::new("inventory", hosts);
        if is_set {
            client = client.opentelemetry_0_33();
        }
        let client = client.layer(spy);
        let inner = service_fn(move |request: Request<TestBody>| {
            let context = Arc::clone(RequestContext::find(request.extensions()).unwrap());
            let call = Request::get("http://inventory/items").extension(context);
            let call = client.clone().oneshot(call.body(TestBody::default()).unwrap());
            call.instrument(info_span!("reserve"))
        });
        service.record().layer(inner).oneshot(sent(&[])).await.unwrap();

        let (_, parent, flags) = trace(&handle.seen()[0].headers);
        let spans = service.spans();
        let expected = &spans[if is_set { "reserve" } else { "GET /notes/{id}" }];
        assert_eq!(parent, expected.span_context.span_id().to_string());
        assert_eq!(flags & 1, 1);
    }
}

/// Headers as a carrier, as `opentelemetry-http` has them.
struct Carrier(HeaderMap);

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<_> =
            self.0.get_all(key).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then_some(values)
    }
}

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        let name: HeaderName = key.parse().unwrap();
        self.0.insert(name, value.try_into().unwrap());
    }
}

/// The headers that a service passes on if it has the SDK and this propagator, but no other part of
/// hardpoint.
fn passed_on(propagator: &Propagator, headers: &[(&str, &str)]) -> HeaderMap {
    let provider = SdkTracerProvider::builder().build();
    let incoming = Carrier(sent(headers).headers().clone());
    let parent = propagator.extract_with_context(&Context::new(), &incoming);
    let span = provider.tracer("work").start_with_context("work", &parent);
    let mut outgoing = Carrier(HeaderMap::new());
    propagator.inject_context(&parent.with_span(span), &mut outgoing);
    outgoing.0
}

#[test]
fn the_propagator_passes_the_suite_of_the_w3c_with_the_sdk() {
    let propagator = Propagator::new();
    for (test, headers, continued) in w3c::parents() {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (id, parent, flags) = trace(&passed_on(&propagator, &headers));
        assert_eq!(w3c::was_sent(&id), continued, "{test}: {headers:?} {id}");
        assert!(parent != PARENT && flags & 1 == 1, "{test}");
    }
    for (given, passed) in w3c::FLAGS {
        let parent = format!("00-{TRACE}-{PARENT}-{given}");
        assert_eq!(trace(&passed_on(&propagator, &[("traceparent", &parent)])).2, passed);
    }
    for (test, lines, expected) in w3c::states() {
        let parent = format!("00-{TRACE}-{PARENT}-00");
        let mut headers = vec![("traceparent", parent.as_str())];
        headers.extend(lines.iter().map(|line| ("tracestate", line.as_str())));
        let passed = passed_on(&propagator, &headers);
        assert_eq!(state(&passed), expected.as_deref(), "tracestate_{test}: {lines:?}");
    }
    for alone in [vec![("tracestate", "a=1")], vec![("traceparent", "00-x"), ("tracestate", "a=1")]]
    {
        assert_eq!(state(&passed_on(&propagator, &alone)), None);
    }
}

#[test]
fn another_trace_inside_has_none_of_the_entries_of_the_outer_one() {
    let provider = SdkTracerProvider::builder().build();
    let propagator = Propagator::new();
    let parent = format!("00-{TRACE}-{PARENT}-02");
    // OpenTelemetry's type cannot hold this list.
    let headers = [("traceparent", parent.as_str()), ("tracestate", "a@@b=1")];
    let incoming = Carrier(sent(&headers).headers().clone());
    let outer = propagator.extract_with_context(&Context::new(), &incoming);
    let root = provider.tracer("work").start_with_context("root", &Context::new());
    let mut outgoing = Carrier(HeaderMap::new());
    propagator.inject_context(&outer.with_span(root), &mut outgoing);
    assert_eq!((state(&outgoing.0), trace(&outgoing.0).2), (None, 1));
}

#[test]
fn the_propagator_passes_on_named_baggage_only() {
    let line = "tenant=a%2Cb,user=alice,plan=gold;p=1";
    for (keys, expected) in [
        (vec!["plan", "tenant"], Some("plan=gold;p=1,tenant=a%2Cb")),
        (vec!["other"], None),
        (vec![], None),
    ] {
        let propagator = Propagator::new().baggage(keys.clone());
        let passed = passed_on(&propagator, &[("baggage", line)]);
        let baggage = passed.get("baggage").map(|value| value.to_str().unwrap());
        assert_eq!(baggage, expected, "{keys:?}");
        let fields = propagator.fields().count();
        assert_eq!(fields, if keys.is_empty() { 2 } else { 3 });
    }
}

#[test]
fn nothing_is_injected_without_a_span() {
    let mut carrier = Carrier(HeaderMap::new());
    Propagator::new().baggage(["a"]).inject_context(&Context::new(), &mut carrier);
    assert!(carrier.0.is_empty());
    // A value that the service sets itself cannot add a member or a header line.
    let context = Context::new().with_baggage([opentelemetry::KeyValue::new("a", "1,b=2\r\n")]);
    Propagator::new().baggage(["a", "b"]).inject_context(&context, &mut carrier);
    assert_eq!(carrier.0["baggage"], "a=1%2Cb%3D2%0D%0A");
}

#[test]
fn a_resource_is_the_service_of_the_log_and_variables_come_first() {
    let logs = Logs::json("orders").version("1.4.2").environment("prod");
    let get = |variables: &[(&str, &str)], key: &'static str| {
        let resource = bridge::resource(&logs, variables.iter().copied()).unwrap();
        resource.get(&key.into()).map(|value| value.to_string())
    };
    for (key, value) in [
        ("service.name", "orders"),
        ("service.version", "1.4.2"),
        ("deployment.environment.name", "prod"),
        ("telemetry.sdk.name", "opentelemetry"),
    ] {
        assert_eq!(get(&[("OTEL_SERVICE_NAME", " ")], key).as_deref(), Some(value), "{key}");
    }
    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,team=a%20b,service.version=2");
    assert_eq!(get(&[list], "service.name").as_deref(), Some("b"));
    assert_eq!(get(&[list], "team").as_deref(), Some("a b"));
    assert_eq!(get(&[list], "service.version").as_deref(), Some("2"));
    let name = ("OTEL_SERVICE_NAME", "c");
    assert_eq!(get(&[name, list], "service.name").as_deref(), Some("c"));

    let unnamed = bridge::resource(&Logs::human(), env::vars().take(0)).unwrap();
    let name = unnamed.get(&"service.name".into()).map(|value| value.to_string());
    assert_eq!(name.as_deref(), Some("unknown_service"));
    let error = bridge::resource(&logs, [("OTEL_RESOURCE_ATTRIBUTES", "a=1,hunter2")]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("part 2 between commas has no `=`; write key=value"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
