//! Secrets that come in through every input of the service appear nowhere in what it puts out.

use hardpoint::auth::SigningKey;
use hardpoint_testkit::{
    http::{Client, Reply},
    leak::LeakScanner,
    smtp::SmtpServer,
};
use http::Request;
use serde_json::json;

use super::{PASSWORD, PATIENCE, Service};

/// More than a service logs in production, and all that this project logs.
const FILTER: &str = "debug,hardpoint=trace,hardened_api=trace";
const EMAIL: &str = "canary.e7d1@example.org";
const ADMIN_TOKEN: &str = "canary-admin-token-5c1d90";
const PEPPER: &str = "canary-pepper-9f27c0b1-with-enough-entropy-71ac";
const NEW_PASSWORD: &str = "canary new password 4711";

/// Headers that clients and proxies send, each with a secret of its own.
const HEADERS: [(&str, &str); 16] = [
    ("authorization", "Bearer canary-bearer-8b1f2c"),
    ("proxy-authorization", "Basic canary-basic-77d3aa"),
    ("cookie", "session=canary-cookie-19e0b4; hardpoint-device=canary-device-51cc0e"),
    ("x-api-key", "hardened_canary-api-key-2d90ee"),
    ("x-request-id", "canary-request-id-a1"),
    ("x-correlation-id", "canary-correlation-b2"),
    ("traceparent", "00-ca11ab1eca11ab1eca11ab1eca11ab1e-ca11ab1eca11ab1e-01"),
    ("tracestate", "vendor=canary-tracestate-c3"),
    ("baggage", "tenant=canary-baggage-d4"),
    ("x-amzn-trace-id", "Root=canary-amazon-e5"),
    ("x-forwarded-for", "canary-forwarded-f6"),
    ("forwarded", "for=canary-forwarded-a7"),
    ("x-forwarded-host", "canary-host-b8.example"),
    ("referer", "https://canary-referer-c9.example/?token=x"),
    ("origin", "https://canary-origin-d0.example"),
    ("user-agent", "curl/8 (Authorization: Bearer canary-agent-e1f2a3)"),
];

/// The parts of [`HEADERS`] that are secret.
const IN_HEADERS: [&str; 17] = [
    "canary-bearer-8b1f2c",
    "canary-basic-77d3aa",
    "canary-cookie-19e0b4",
    "canary-device-51cc0e",
    "canary-api-key-2d90ee",
    "canary-request-id-a1",
    "canary-correlation-b2",
    "ca11ab1eca11ab1e",
    "canary-tracestate-c3",
    "canary-baggage-d4",
    "canary-amazon-e5",
    "canary-forwarded-f6",
    "canary-forwarded-a7",
    "canary-host-b8",
    "canary-referer-c9",
    "canary-origin-d0",
    "canary-agent-e1f2a3",
];

/// The credential of a request.
#[derive(Clone, Copy)]
enum As<'a> {
    Nobody,
    Forger,
    KeyForger,
    Bearer(&'a str),
    Key(&'a str),
}

/// A run of the service, and the secrets that it was given or gave out.
struct Run {
    service: Service,
    secrets: Vec<String>,
    /// What no answer may contain: the answers to this client that are not meant to.
    answers: Vec<String>,
}

impl Run {
    /// Sends a request, and keeps the answer for the search.
    async fn send(&mut self, method: &str, url: &str, caller: As<'_>, body: &str) -> Reply {
        let reply = self.send_unseen(method, url, caller, body).await;
        self.answers.push(format!("{:?} {}", reply.headers, reply.text()));
        reply
    }

    async fn send_unseen(&self, method: &str, url: &str, caller: As<'_>, body: &str) -> Reply {
        let head = Request::builder().method(method).uri(url);
        let mut head = head.header("content-type", "application/json");
        for (name, value) in HEADERS {
            // The service of the trace-context suite exists to continue the traces of strangers.
            let is_id = url.contains("/test?") && ["x-request-id", "traceparent"].contains(&name);
            // A request with two credentials is refused before either is read.
            let is_sent = match name {
                "authorization" => matches!(caller, As::Forger),
                "x-api-key" => matches!(caller, As::KeyForger),
                _ => !is_id,
            };
            if is_sent {
                head = head.header(name, value);
            }
        }
        match caller {
            As::Bearer(token) => head = head.header("authorization", format!("Bearer {token}")),
            As::Key(key) => head = head.header("x-api-key", key),
            As::Nobody | As::Forger | As::KeyForger => {}
        }
        Client::new().request(head, body.to_owned()).await
    }

    fn keep(&mut self, reply: &Reply, names: &[&str]) -> Vec<String> {
        let body = reply.json();
        let texts: Vec<_> =
            names.iter().map(|name| body[*name].as_str().unwrap().to_owned()).collect();
        self.secrets.extend(texts.iter().cloned());
        texts
    }
}

/// Every route, with secrets in its path, its query, its body and where a body is malformed.
async fn strangers(run: &mut Run) {
    let public = run.service.public.clone();
    let admin = run.service.admin.clone();
    let bodies = [
        json!({ "email": "canary-mail@canary-a1b2.example", "password": "canary-password-f2c3" }),
        json!({ "email": "canary-mail@canary-a1b2.example", "password": ["canary-password-f2c3"] }),
        json!({ "email": { "canary-password-f2c3": 1 }, "password": "canary-password-f2c3" }),
        json!({ "email": EMAIL, "password": 7_046_119_251_u64 }),
        json!({ "email": "canary-password-f2c3", "password": true, "scope": 7_046_119_251_u64 }),
        json!({ "email": EMAIL, "password": "canary-password-f2c3", "scope": "canary-scope-17" }),
        json!({ "refresh_token": "canary-refresh-5e11" }),
        json!({ "refresh_token": { "canary-refresh-5e11": 7_046_119_251_u64 } }),
        json!({ "token": "canary-one-time-90aa", "password": NEW_PASSWORD }),
        json!({ "text": "canary-note-44d0" }),
        json!({ "name": "canary-name-b7", "scope": "canary-scope-17", "days": 7_046_119_251_u64 }),
        json!({ "mode": "canary-mode-d2" }),
        json!([{ "url": "http://canary-url-a3.example/", "arguments": ["canary-argument-b4"] }]),
        json!("canary-document-c5"),
    ];
    let malformed = r#"{"password": "canary-broken-d6", "email": canary-broken-d6"#;
    for path in [
        "/api/v1/accounts",
        "/api/v1/accounts/confirm",
        "/api/v1/session",
        "/api/v1/session/refresh",
        "/api/v1/password/reset",
        "/api/v1/password/reset/confirm",
        "/api/v1/magic-link",
        "/api/v1/magic-link/confirm",
        "/api/v1/notes",
        "/api/v1/api-keys",
        "/api/v1/api-keys/canary-path-e7/rotate",
        "/canary-path-e7/nowhere",
    ] {
        let url = format!("{public}{path}?access_token=canary-query-f8&q=canary-query-f8");
        for body in &bodies {
            run.send("POST", &url, As::Nobody, &body.to_string()).await;
        }
        run.send("POST", &url, As::Nobody, malformed).await;
        run.send("POST", &url, As::Forger, malformed).await;
        run.send("POST", &url, As::KeyForger, malformed).await;
    }
    for (method, path) in [
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/quote"),
        ("GET", "/api/v1/ping"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/livez"),
        ("DELETE", "/api/v1/sessions/canary-path-e7"),
        ("DELETE", "/api/v1/api-keys/canary-path-e7"),
        ("GET", "/api/v1/notes/canary-path-e7"),
        ("CANARYMETHOD", "/api/v1/me"),
        ("OPTIONS", "/api/v1/me"),
    ] {
        let url = format!("{public}{path}?access_token=canary-query-f8");
        for caller in [As::Nobody, As::Forger, As::KeyForger] {
            run.send(method, &url, caller, "").await;
        }
    }
    for (method, path) in [
        ("PUT", "/upstream"),
        ("POST", "/test"),
        ("GET", "/health"),
        ("GET", "/canary-path-e7"),
        ("POST", "/accounts/unlock"),
    ] {
        let url = format!("{admin}{path}?token=canary-query-f8");
        for body in &bodies {
            run.send(method, &url, As::Forger, &body.to_string()).await;
            run.send(method, &url, As::Bearer(ADMIN_TOKEN), &body.to_string()).await;
        }
        run.send(method, &url, As::Bearer(ADMIN_TOKEN), malformed).await;
    }
    let given = [
        "canary-mail@",
        "canary-a1b2",
        "canary-password-f2c3",
        "7046119251",
        "canary-scope-17",
        "canary-refresh-5e11",
        "canary-one-time-90aa",
        "canary-note-44d0",
        "canary-name-b7",
        "canary-mode-d2",
        "canary-url-a3",
        "canary-argument-b4",
        "canary-document-c5",
        "canary-broken-d6",
        "canary-path-e7",
        "canary-query-f8",
        "CANARYMETHOD",
    ];
    run.secrets.extend(given.map(str::to_owned));
}

/// What a user does, with secrets that the service hands out.
async fn a_user(run: &mut Run, mail: &SmtpServer) {
    let api = format!("{}/api/v1", run.service.public);
    let account = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let url = format!("{api}/accounts");
    assert_eq!(run.send("POST", &url, As::Nobody, &account).await.status.as_u16(), 202);
    let verify = link(mail).await;
    let confirm = json!({ "token": verify, "password": PASSWORD }).to_string();
    let url = format!("{api}/accounts/confirm");
    assert_eq!(run.send("POST", &url, As::Nobody, &confirm).await.status.as_u16(), 201);
    let session = run.send_unseen("POST", &format!("{api}/session"), As::Nobody, &account).await;
    assert_eq!(session.status.as_u16(), 200, "{}", session.text());
    let pair = run.keep(&session, &["access_token", "refresh_token"]);
    let refresh = json!({ "refresh_token": pair[1] }).to_string();
    let next =
        run.send_unseen("POST", &format!("{api}/session/refresh"), As::Nobody, &refresh).await;
    let next = run.keep(&next, &["access_token", "refresh_token"]);
    let token = As::Bearer(&next[0]);
    let note = json!({ "text": "canary-note-44d0" }).to_string();
    let url = format!("{api}/notes");
    let made = run.send_unseen("POST", &url, token, &note).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    // A list of sessions shows its owner the user agents.
    let sessions = run.send_unseen("GET", &format!("{api}/sessions"), token, "").await;
    assert_eq!(sessions.status.as_u16(), 200);
    for path in ["/me", "/ping", "/quote"] {
        let reply = run.send("GET", &format!("{api}{path}"), token, "").await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
    }
    let named = json!({ "name": "canary-name-b7", "scope": "notes:read" }).to_string();
    let key = run.send_unseen("POST", &format!("{api}/api-keys"), token, &named).await;
    assert_eq!(key.status.as_u16(), 201, "{}", key.text());
    // Without the prefix and the id, which are not secret.
    let text = key.json()["key"].as_str().unwrap().to_owned();
    let secret = text[text.len() - 49..].to_owned();
    let noted = run.send_unseen("GET", &format!("{api}/notes"), As::Key(&text), "").await;
    assert_eq!(noted.status.as_u16(), 200, "{}", noted.text());
    let refused = run.send("GET", &format!("{api}/api-keys"), As::Key(&text), "").await;
    assert_eq!(refused.status.as_u16(), 403);
    let mut wrong = text.clone();
    wrong.pop();
    let refused = run.send("GET", &format!("{api}/ping"), As::Key(&wrong), "").await;
    assert_eq!(refused.status.as_u16(), 401);
    run.secrets.push(secret[..48].to_owned());
    let reset = json!({ "email": EMAIL }).to_string();
    run.send("POST", &format!("{api}/password/reset"), As::Nobody, &reset).await;
    let reset = link(mail).await;
    let body = json!({ "token": reset, "password": NEW_PASSWORD }).to_string();
    let url = format!("{api}/password/reset/confirm");
    assert_eq!(run.send("POST", &url, As::Nobody, &body).await.status.as_u16(), 204);
    let signatures: Vec<String> = [&pair[0], &next[0]]
        .iter()
        .flat_map(|token| token.split('.').skip(1).map(str::to_owned))
        .collect();
    run.secrets.extend(signatures);
    run.secrets.extend([verify, reset, NEW_PASSWORD.to_owned(), PASSWORD.to_owned()]);
    // Without the domain, which other addresses share.
    run.secrets.push(EMAIL.split('@').next().unwrap().to_owned());
}

/// The token of the next mail's link.
async fn link(mail: &SmtpServer) -> String {
    let mail = mail.mail(EMAIL).await;
    let (_, token) = mail.text.split_once("#token=").unwrap();
    token.split_whitespace().next().unwrap().to_owned()
}

/// Runs the service in this environment, with secrets in its variables and in requests.
async fn run_in(environment: &str) {
    let mail = SmtpServer::start().await;
    let key = SigningKey::generate_pem().unwrap();
    let root = "Y2FuYXJ5LXJvb3Qtc2VjcmV0LTdmMTktYWEwMi04OGJj";
    let peppers = format!("a:{}", base64(PEPPER));
    let service = Service::start(&[
        ("HARDPOINT_ENV", environment),
        ("HARDPOINT_LOG", FILTER),
        ("HARDPOINT_DRAIN_DELAY", "0s"),
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_SIGNUP_RATE_LIMIT", "1000/1s"),
        ("HARDPOINT_LOGIN_RATE_LIMIT", "1000/1s"),
        ("JWT_SIGNING_KEY", key.expose()),
        ("HARDPOINT_ROOT_SECRET", root),
        ("HARDPOINT_PEPPERS", &peppers),
        ("HARDPOINT_ADMIN_TOKEN", ADMIN_TOKEN),
        ("HARDPOINT_SMTP_URL", &mail.url()),
        ("HARDPOINT_PUBLIC_URL", "https://app.example"),
    ])
    .await;
    let mut secrets = IN_HEADERS.map(str::to_owned).to_vec();
    secrets.extend([root, &*peppers, PEPPER, ADMIN_TOKEN].map(str::to_owned));
    secrets.push("canary-root-secret-7f19-aa02-88bc".to_owned());
    secrets.push(key.expose().lines().nth(1).unwrap().to_owned());
    let mut run = Run { service, secrets, answers: Vec::new() };
    a_user(&mut run, &mail).await;
    strangers(&mut run).await;

    let Run { service, secrets, mut answers } = run;
    if environment == "dev" {
        // `detail` explains to developers what was wrong with their input, and quotes it.
        answers.clear();
    }
    for page in ["/metrics", "/health", "/readyz"] {
        let head = Request::get(format!("{}{page}", service.admin));
        let head = head.header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        answers.push(Client::new().request(head, "").await.text().to_owned());
    }
    service.process.signal("TERM");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0));
    let scanner = LeakScanner::new(&secrets);
    let log = service.process.stdout();
    assert!(log.len() > 200, "{}", log.len());
    for (place, texts) in
        [("the log", log), ("standard error", service.process.stderr()), ("the answers", answers)]
    {
        // Line by line only where there is something to show.
        if !scanner.scan(place, texts.join("\n")).is_empty() {
            let leaks = texts.iter().flat_map(|text| scanner.scan(text, text));
            let leaks: Vec<_> = leaks.map(|leak| leak.to_string()).take(20).collect();
            panic!("{place}:\n{}", leaks.join("\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_every_input_appear_nowhere_in_the_output() {
    run_in("dev").await;
    run_in("prod").await;
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};

    STANDARD.encode(text)
}
