//! Which answers become problems, and what stays of them.

use std::{convert::Infallible, sync::Arc};

use hardpoint_core::{
    HeadFacts, Problem, Refusals, Refused, Rejection, RequestContext, StackLayer, Time,
};
use hardpoint_edge::ProblemLayer;
use hardpoint_testkit::TestBody;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Reply, context, with_context};

fn get() -> Request<()> {
    with_context(Request::new(())).0
}

fn head() -> Request<()> {
    with_context(Request::head("/").body(()).unwrap()).0
}

fn grpc() -> Request<()> {
    let request = Request::post("/a.B/C").header("content-type", "application/grpc");
    let request = request.header("te", "trailers");
    request.body(()).unwrap()
}

/// A handler that gives each answer that it is handed once.
fn answering<R>(
    response: Response<R>,
) -> impl Service<Request<()>, Response = Response<R>, Error = Infallible>
where
    R: Clone,
{
    service_fn(move |_: Request<()>| std::future::ready(Ok(response.clone())))
}

/// What the layer makes of an answer.
async fn mapped(request: Request<()>, response: Response<TestBody>) -> Reply {
    let service = ProblemLayer::new().layer(answering(response));
    Reply::of(service.oneshot(request).await.unwrap()).await
}

fn response(status: u16, content_type: Option<&str>, body: TestBody) -> Response<TestBody> {
    let mut response = Response::builder().status(status);
    if let Some(content_type) = content_type {
        response = response.header("content-type", content_type);
    }
    response.body(body).unwrap()
}

#[tokio::test]
async fn answers_that_say_no_more_than_their_status_become_problems() {
    for (status, code) in [
        (400, "bad_request"),
        (401, "unauthenticated"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (408, "request_timeout"),
        (413, "body_too_large"),
        (415, "unsupported_media_type"),
        (418, "client_error"),
        (422, "unprocessable"),
        (500, "internal_error"),
        (501, "not_implemented"),
        (503, "unavailable"),
        (599, "server_error"),
    ] {
        for (content_type, body) in [
            (None, TestBody::default()),
            (None, TestBody::from("column `iban` of table users")),
            (Some("text/plain"), TestBody::from("column `iban`")),
            (Some("Text/Plain; charset=utf-8"), TestBody::from("column `iban`").without_size()),
            (Some("application/json"), TestBody::default()),
        ] {
            let reply = mapped(get(), response(status, content_type, body)).await;
            assert_eq!(reply.status(), status);
            let problem = reply.problem(code);
            assert_eq!(problem["request_id"], "r-4711");
            assert!(!problem.to_string().contains("iban"));
            assert!(reply.head.extensions.get::<Refused>().is_some());
        }
    }
}

#[tokio::test]
async fn what_the_handler_says_in_a_form_of_its_own_is_left_alone() {
    for (status, content_type) in [
        (200, None),
        (200, Some("text/plain")),
        (304, None),
        (400, Some("application/json")),
        (404, Some("text/html; charset=utf-8")),
        (422, Some("application/problem+json")),
        (500, Some("application/grpc")),
    ] {
        let own = response(status, content_type, TestBody::from("own"));
        let reply = mapped(get(), own).await;
        assert_eq!((reply.status(), &reply.body[..]), (status, &b"own"[..]));
        assert_eq!(reply.header("content-type"), content_type.unwrap_or(""));
    }
    let trailers_only = response(404, Some("application/grpc"), TestBody::default());
    assert_eq!(mapped(grpc(), trailers_only).await.status(), 404);
    let empty = mapped(get(), response(204, None, TestBody::default())).await;
    assert_eq!(empty.header("content-type"), "");
}

#[derive(Debug)]
struct Limited;

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("limited")
    }
}

impl std::error::Error for Limited {}

impl Rejection for Limited {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", "Slow down")
    }
}

#[tokio::test]
async fn what_another_layer_refused_is_left_alone() {
    let refusing = |content_type: &'static str| {
        service_fn(move |_: Request<()>| async move {
            let mut response: Response<hardpoint_core::ResponseBody<TestBody>> =
                Refusals::new().refuse(&HeadFacts::default(), &Limited);
            let content_type = content_type.parse().unwrap();
            response.headers_mut().insert("content-type", content_type);
            Ok::<_, Infallible>(response)
        })
    };
    // Whatever a layer between has made of its type.
    for content_type in ["application/problem+json", "text/plain"] {
        let service = ProblemLayer::new().layer(refusing(content_type));
        let reply = Reply::of(service.oneshot(get()).await.unwrap()).await;
        assert_eq!(reply.header("content-type"), content_type);
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(body.contains("slow_down") && !body.contains("request_id"));
    }
}

#[tokio::test]
async fn a_second_layer_of_the_kind_changes_nothing() {
    let bare = || answering(response(404, None, TestBody::default()));
    let once = ProblemLayer::new().layer(bare());
    let twice = ProblemLayer::new().layer(ProblemLayer::new().layer(bare()));
    let once = Reply::of(once.oneshot(get()).await.unwrap()).await;
    let twice = Reply::of(twice.oneshot(get()).await.unwrap()).await;
    assert_eq!(once.body, twice.body);
    assert_eq!(once.head.headers, twice.head.headers);
}

#[tokio::test]
async fn a_problem_in_the_extensions_is_the_answer() {
    let taken = Problem::new(StatusCode::CONFLICT, "name_taken", "The name is taken")
        .detail("choose another one")
        .add_member("name", "alice");
    // Whatever else the handler answered.
    let mut own = response(200, Some("application/json"), TestBody::from("{}"));
    own.extensions_mut().insert(taken);
    let reply = mapped(get(), own).await;
    assert_eq!(reply.status(), 409);
    let problem = reply.problem("name_taken");
    assert_eq!(problem["detail"], "choose another one");
    assert_eq!(problem["name"], "alice");
    assert_eq!(problem["request_id"], "r-4711");
    assert!(reply.head.extensions.get::<Problem>().is_none());
}

#[tokio::test]
async fn headers_stay_that_do_not_describe_the_body_that_is_gone() {
    let mut own = response(503, Some("text/plain"), TestBody::from("db-3 is down"));
    for (name, value) in [
        ("allow", "GET"),
        ("www-authenticate", "Bearer"),
        ("retry-after", "7"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-range", "bytes */12"),
        ("cache-control", "max-age=60"),
        ("content-length", "12"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("content-language", "en"),
        ("content-digest", "x=:eA==:"),
        ("etag", "\"x\""),
        ("last-modified", "Fri, 20 Nov 2026 00:00:00 GMT"),
    ] {
        own.headers_mut().append(name, value.parse().unwrap());
    }
    own.extensions_mut().insert("of the handler");
    let reply = mapped(get(), own).await;
    reply.problem("unavailable");
    let mut names: Vec<_> = reply.head.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "allow",
            "cache-control",
            "content-range",
            "content-type",
            "retry-after",
            "set-cookie",
            "www-authenticate"
        ]
    );
    assert_eq!(reply.header("retry-after"), "7");
    assert_eq!(reply.head.headers.get_all("set-cookie").iter().count(), 2);
    assert!(reply.head.extensions.get::<&str>().is_some());
}

#[tokio::test]
async fn the_retry_after_of_a_problem_replaces_the_handlers() {
    let mut own = response(503, None, TestBody::default());
    own.headers_mut().insert("retry-after", "7".parse().unwrap());
    let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy")
        .retry_after(std::time::Duration::from_secs(3));
    own.extensions_mut().insert(busy);
    assert_eq!(mapped(get(), own).await.header("retry-after"), "3");
}

#[tokio::test]
async fn the_answer_to_head_has_the_headers_of_the_answer_to_get() {
    for content_type in [None, Some("text/plain")] {
        let own = || response(404, content_type, TestBody::default());
        let (get, head) = (mapped(get(), own()).await, mapped(head(), own()).await);
        assert_eq!(head.status(), 404);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), "application/problem+json");
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
    // Its body was taken off already: the answer to GET may say something.
    let own = response(404, Some("application/json"), TestBody::default());
    assert_eq!(mapped(head(), own).await.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_grpc_service_answers_trailers_instead_of_a_bare_status() {
    let layer = ProblemLayer::new().refusals(&Refusals::new().grpc_under("/a.B/"));
    for (status, code) in [(404, "12"), (503, "14"), (500, "13"), (401, "16"), (504, "4")] {
        let bare = response(status, Some("text/plain"), TestBody::from("no"));
        let service = layer.layer(answering(bare.clone()));
        let rest = Reply::of(service.oneshot(get()).await.unwrap()).await;
        assert_eq!(rest.status(), status);
        let service = layer.layer(answering(bare));
        let reply = Reply::of(service.oneshot(grpc()).await.unwrap()).await;
        assert_eq!((reply.status(), reply.header("grpc-status")), (200, code));
        assert_eq!(reply.header("content-type"), "application/grpc");
        assert!(reply.body.is_empty());
    }
}

#[tokio::test]
async fn a_client_cannot_choose_the_shape_of_an_error_by_its_headers() {
    let bare = response(404, None, TestBody::default());
    assert_eq!(mapped(grpc(), bare).await.status(), 404);
}

#[tokio::test]
async fn the_layers_own_renderer_wins_over_the_stacks() {
    let body =
        |text: &'static str| move |_: &hardpoint_core::Refusal<'_>| Response::new(text.into());
    let (own, stack) =
        (Refusals::new().renderer(body("own")), Refusals::new().renderer(body("stack")));
    for (layer, expected) in
        [(ProblemLayer::new(), "stack"), (ProblemLayer::new().refusals(&own), "own")]
    {
        let layer = StackLayer::refusals(layer, &stack);
        let service = layer.layer(answering(response(404, None, TestBody::default())));
        let reply = Reply::of(service.oneshot(get()).await.unwrap()).await;
        assert_eq!((reply.status(), &reply.body[..]), (404, expected.as_bytes()));
    }
}

#[tokio::test]
async fn an_id_that_an_inner_layer_gives_is_found() {
    let inner = service_fn(|request: Request<()>| async move {
        let known = RequestContext::find(request.extensions()).unwrap();
        let id = context().request_id().unwrap().clone();
        assert!(known.set_request_id(id));
        Ok::<_, Infallible>(response(404, None, TestBody::default()))
    });
    let mut request = Request::new(());
    drop(RequestContext::ensure(request.extensions_mut(), &Time::system()));
    let response = ProblemLayer::new().layer(inner).oneshot(request).await;
    let reply = Reply::of(response.unwrap()).await;
    assert_eq!(reply.problem("not_found")["request_id"], "r-4711");
}

#[tokio::test]
async fn a_layer_that_is_off_touches_nothing() {
    let mut own = response(500, Some("text/plain"), TestBody::from("own"));
    own.extensions_mut().insert(Problem::new(StatusCode::CONFLICT, "x", "X"));
    let service = ProblemLayer::off().layer(answering(own));
    let reply = Reply::of(service.oneshot(get()).await.unwrap()).await;
    assert_eq!((reply.status(), &reply.body[..]), (500, &b"own"[..]));
}

/// A refusal with two challenges and two cookies.
#[derive(Debug)]
struct Challenged;

impl std::fmt::Display for Challenged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("challenged")
    }
}

impl std::error::Error for Challenged {}

impl Rejection for Challenged {
    fn problem(&self) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "sign_in", "Sign in")
    }

    fn headers(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("www-authenticate", "Bearer"),
            ("www-authenticate", "Basic"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
    }
}

#[tokio::test]
async fn every_line_of_a_refusals_headers_is_sent_once() {
    let lines = |reply: &Reply, name: &str| {
        let lines = reply.head.headers.get_all(name).iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Rendered already, as by a handler of axum; with what a layer between has added.
    let mut own = response(401, None, TestBody::default());
    Challenged.headers(own.headers_mut());
    own.headers_mut().append("set-cookie", HeaderValue::from_static("inner=3"));
    let rejection: Arc<dyn Rejection> = Arc::new(Challenged);
    own.extensions_mut().insert(rejection);
    let reply = mapped(get(), own).await;
    assert_eq!(lines(&reply, "www-authenticate"), ["Bearer", "Basic"]);
    assert_eq!(lines(&reply, "set-cookie"), ["a=1", "b=2", "inner=3"]);

    // Another layer's challenge and its Vary stay.
    let mut own = response(401, None, TestBody::default());
    own.headers_mut().insert("www-authenticate", HeaderValue::from_static("Negotiate"));
    own.headers_mut().insert("set-cookie", HeaderValue::from_static("inner=3"));
    let rejection: Arc<dyn Rejection> = Arc::new(Challenged);
    own.extensions_mut().insert(rejection);
    let reply = mapped(get(), own).await;
    assert_eq!(lines(&reply, "www-authenticate"), ["Negotiate", "Bearer", "Basic"]);
    assert_eq!(lines(&reply, "set-cookie"), ["inner=3", "a=1", "b=2"]);
}

#[tokio::test]
async fn the_cause_of_a_handlers_rejection_is_logged_and_not_sent() {
    for (status, level) in [(StatusCode::CONFLICT, "DEBUG"), (StatusCode::BAD_GATEWAY, "ERROR")] {
        let (logs, _guard) = crate::captured_logs();
        let mut own = response(status.as_u16(), None, TestBody::default());
        let rejection: Arc<dyn Rejection> = Arc::new(Unreachable(status));
        own.extensions_mut().insert(rejection);
        let reply = mapped(get(), own).await;
        assert!(!String::from_utf8_lossy(&reply.body).contains("db-3"));
        let lines = logs.lines();
        let line = lines.iter().find(|line| line.contains("db-3.internal"));
        assert!(line.is_some_and(|line| line.contains(level)), "{status}: {lines:?}");
    }
}

/// A failure whose cause only operators may read.
#[derive(Debug)]
struct Unreachable(StatusCode);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("db-3.internal did not answer")
    }
}

impl std::error::Error for Unreachable {}

impl Rejection for Unreachable {
    fn problem(&self) -> Problem {
        Problem::from_status(self.0)
    }
}
