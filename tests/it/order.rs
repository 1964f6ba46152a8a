//! The stack keeps its order, hands on what it is given, and refuses a wrong order in `cargo build`.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use hardpoint::{
    Stack,
    core::{Place, Readiness, Refusals, StackLayer, Telemetry, event::ReadinessChanged},
    place::{self, At},
};
use http::Response;
use tower::{Layer, Service, ServiceExt, service_fn};

type Trace = Arc<Mutex<Vec<&'static str>>>;

/// A layer that notes its name when a request passes, and that reports to telemetry.
#[derive(Clone)]
struct Named<const PLACE: u8> {
    name: &'static str,
    trace: Trace,
    telemetry: Telemetry,
    refusals: Refusals,
}

type Outer = Named<0>;
type Middle = Named<1>;
type Inner = Named<2>;

fn named<const PLACE: u8>(name: &'static str, trace: &Trace) -> Named<PLACE> {
    let (telemetry, refusals) = (Telemetry::none(), Refusals::unset());
    Named { name, trace: Arc::clone(trace), telemetry, refusals }
}

impl<const PLACE: u8> StackLayer for Named<PLACE> {
    const PLACE: Place = match PLACE {
        0 => Place::RECORD,
        1 => Place::AUTH,
        _ => Place::BODY_LIMIT,
    };

    fn telemetry(self, telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), ..self }
    }

    fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: self.refusals.or(refusals), ..self }
    }
}

impl<S, const PLACE: u8> Layer<S> for Named<PLACE> {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        let Self { name, trace, telemetry, refusals } = self.clone();
        let facts = refusals.facts(hardpoint::core::Head::new(&http::Request::new(())));
        let problem = hardpoint::core::Problem::from_status(http::StatusCode::NOT_FOUND);
        let refused: Response<hardpoint::core::ResponseBody<String>> =
            refusals.refuse(&facts, &problem);
        if refused.headers().contains_key("grpc-status") {
            trace.lock().unwrap().push("renders for gRPC");
        }
        telemetry.on(&ReadinessChanged::new(Readiness::Ready).into());
        Noting { inner, name, trace }
    }
}

struct Noting<S> {
    inner: S,
    name: &'static str,
    trace: Trace,
}

impl<S: Service<()>> Service<()> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: ()) -> S::Future {
        self.trace.lock().unwrap().push(self.name);
        self.inner.call(request)
    }
}

async fn passed<L>(stack: &L, trace: &Trace) -> Vec<&'static str>
where
    L: Layer<
            tower::util::ServiceFn<fn(()) -> std::future::Ready<Result<(), Infallible>>>,
            Service: Service<(), Response = (), Error = Infallible>,
        >,
{
    let handler: fn(()) -> _ = |()| std::future::ready(Ok(()));
    Layer::layer(stack, service_fn(handler)).oneshot(()).await.unwrap();
    std::mem::take(&mut *trace.lock().unwrap())
}

/// Inside of authentication, as a user names a place of its own.
struct AfterLogin;

impl At for AfterLogin {
    const PLACE: Place = Place::AUTH.after();
}

#[tokio::test]
async fn requests_pass_the_layers_in_the_order_in_which_they_were_added() {
    let trace = Trace::default();
    let foreign = named::<0>("foreign", &trace);
    let stack = Stack::new()
        .layer::<Outer>(named("outer", &trace))
        .layer_at(place::Cors, named::<2>("cors", &trace))
        .layer_at(place::Cors, named::<2>("cors, again", &trace))
        .layer::<Middle>(named("middle", &trace))
        .layer_at(AfterLogin, foreign)
        .layer::<Inner>(named("inner", &trace));
    let expected = ["outer", "cors", "cors, again", "middle", "foreign", "inner"];
    assert_eq!(passed(&stack, &trace).await, expected);
    assert_eq!(passed(&Stack::new(), &trace).await, [""; 0]);
}

#[tokio::test]
async fn an_inner_stack_inherits_telemetry_and_refusals() {
    let trace = Trace::default();
    let reported = Arc::new(Mutex::new(0));
    let count = Arc::clone(&reported);
    let telemetry = Telemetry::new(move |_: &hardpoint::core::Event<'_>| {
        *count.lock().unwrap() += 1;
    });
    let outer = Stack::new()
        .telemetry(&telemetry)
        .refusals(&Refusals::new().grpc())
        .layer::<Outer>(named("outer", &trace));
    let inner = outer.inner().layer::<Inner>(named("inner", &trace));
    assert_eq!(passed(&outer, &trace).await, ["renders for gRPC", "outer"]);
    assert_eq!(passed(&inner, &trace).await, ["renders for gRPC", "inner"]);
    assert_eq!(*reported.lock().unwrap(), 2);

    let plain = Stack::new().layer::<Outer>(named("outer", &trace));
    let grpc = plain.inner().grpc().layer::<Inner>(named("inner", &trace));
    assert_eq!(passed(&plain, &trace).await, ["outer"]);
    assert_eq!(passed(&grpc, &trace).await, ["renders for gRPC", "inner"]);
}

/// Builds a crate whose `main` has this body, and returns what the compiler printed, without paths.
fn built(name: &str, body: &str) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nhardpoint = {{ path = {root:?}, features = [\"edge\"] }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let main = format!(
        "#![allow(unused_imports)]\nuse hardpoint::{{Stack, edge::{{CatchPanicLayer, ProblemLayer, SecurityHeadersLayer}}, place}};\n\
         fn main() {{\n    {body}\n}}\n"
    );
    fs::write(folder.join("src/main.rs"), main).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--color", "never"])
        .current_dir(&folder)
        // All of them build the same dependencies.
        .env("CARGO_TARGET_DIR", folder.with_file_name("stack-messages"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// The lines of a message that do not depend on the machine or on line numbers in the facade.
fn essence(stderr: &str) -> String {
    let kept = ["error[", "note: the above error was encountered", "--> src/main.rs"];
    let lines = stderr.lines().map(str::trim);
    let lines = lines.filter(|line| kept.iter().any(|start| line.starts_with(start)));
    lines.map(|line| format!("{}\n", line.replace('`', "'"))).collect()
}

#[test]
fn a_wrong_order_fails_in_cargo_build_with_a_message_that_names_the_table() {
    let cases = [
        (
            "order-right",
            "let _ = Stack::new().layer(ProblemLayer::new()).layer(CatchPanicLayer::new());",
        ),
        (
            "order-wrong",
            "let _ = Stack::new().layer(CatchPanicLayer::new()).layer(ProblemLayer::new());",
        ),
        (
            "order-twice",
            "let _ = Stack::new().layer(ProblemLayer::new()).layer(ProblemLayer::new());",
        ),
        (
            "order-foreign",
            "let _ = Stack::new().layer(ProblemLayer::new()).layer_at(place::Cors, ());",
        ),
        (
            "order-inner",
            "let outer = Stack::new().layer(CatchPanicLayer::new());\n    \
             let _ = outer.inner().layer(SecurityHeadersLayer::default());",
        ),
    ];
    let mut found = String::new();
    for (name, body) in cases {
        let (success, stderr) = built(name, body);
        assert_eq!(success, name == "order-right", "{name}: {stderr}");
        found += &format!("{name}\n{}\n", essence(&stderr));
    }
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/order.stderr");
    assert_eq!(found, fs::read_to_string(stored).unwrap_or_default(), "{found}");
}
