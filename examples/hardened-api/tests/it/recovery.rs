//! Resets, magic links and verified addresses over HTTP and over a mail server's socket.

use std::time::Duration;

use hardpoint_testkit::{
    eventually,
    http::{Client, Process, Reply},
    redis::RedisServer,
    smtp::SmtpServer,
};
use http::Request;
use serde_json::{Value, json};

use super::{PASSWORD, PATIENCE, Service, lockout::lock, program, shape, shared::Fleet};

const EMAIL: &str = "alice@example.org";
const NEW: &str = "a password that nobody knows yet";
pub(super) const PUBLIC: &str = "https://app.example";

impl Service {
    async fn post(&self, path: &str, body: &Value) -> Reply {
        Client::new().post_json(format!("{}/api/v1{path}", self.public), body).await
    }

    async fn with_mail(mail: &SmtpServer) -> Self {
        Self::start(&[("HARDPOINT_SMTP_URL", &mail.url()), ("HARDPOINT_PUBLIC_URL", PUBLIC)]).await
    }

    /// Signs up and opens the link of the mail.
    async fn join(&self, mail: &SmtpServer, email: &str) {
        let reply = self.post("/accounts", &json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(reply.status.as_u16(), 202, "{}", reply.text());
        let token = token(mail, email, "verify").await;
        let confirm = json!({ "token": token, "password": PASSWORD });
        let reply = self.post("/accounts/confirm", &confirm).await;
        assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    }

    async fn enter(&self, email: &str, password: &str) -> Reply {
        self.post("/session", &json!({ "email": email, "password": password })).await
    }

    async fn ping(&self, token: &str) -> u16 {
        let head = Request::get(format!("{}/api/v1/ping", self.public));
        let head = head.header("authorization", format!("Bearer {token}"));
        Client::new().request(head, "").await.status.as_u16()
    }
}

/// The token of the link in the next mail to an address.
async fn token(mail: &SmtpServer, to: &str, page: &str) -> String {
    let mail = mail.mail(to).await;
    assert!(mail.head.contains("From: no-reply@app.example"), "{}", mail.head);
    let start = format!("{PUBLIC}/{page}#token=");
    let (_, rest) = mail.text.split_once(&start).unwrap_or_else(|| panic!("{}", mail.text));
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn a_reset(service: &Service, other: &Service, mail: &SmtpServer) {
    service.join(mail, EMAIL).await;
    let session = service.enter(EMAIL, PASSWORD).await;
    let access = session.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(service.ping(&access).await, 200);
    let made = Request::post(format!("{}/api/v1/api-keys", service.public))
        .header("authorization", format!("Bearer {access}"))
        .header("content-type", "application/json");
    let made = Client::new().request(made, json!({ "name": "a thief's" }).to_string()).await.json();
    let by_key = async || {
        let key = made["key"].as_str().unwrap();
        let ping = Request::get(format!("{}/api/v1/ping", service.public)).header("x-api-key", key);
        Client::new().request(ping, "").await.status.as_u16()
    };
    assert_eq!(by_key().await, 200);
    // An attacker has locked the account for strangers.
    lock(service, &[EMAIL]).await;
    assert_eq!(other.enter(EMAIL, PASSWORD).await.status.as_u16(), 429);

    let ask = json!({ "email": " Alice@example.org" });
    let asked = service.post("/password/reset", &ask).await;
    assert_eq!((asked.status.as_u16(), asked.text()), (202, "{}"));
    let first = token(mail, EMAIL, "password-reset").await;
    service.post("/password/reset", &ask).await;
    let second = token(mail, EMAIL, "password-reset").await;

    let confirm = |token: &str, password: &str| json!({ "token": token, "password": password });
    let old = service.post("/password/reset/confirm", &confirm(&first, NEW)).await;
    assert_eq!(old.status.as_u16(), 400, "newest only: {}", old.text());
    assert_eq!(old.json()["code"], "invalid_one_time_token");
    let weak = service.post("/password/reset/confirm", &confirm(&second, "password")).await;
    assert_eq!(weak.status.as_u16(), 422, "{}", weak.text());
    let magic = other.post("/magic-link/confirm", &json!({ "token": second })).await;
    assert_eq!(magic.status.as_u16(), 400, "another purpose");
    for method in ["GET", "HEAD"] {
        let url = format!("{}/api/v1/password/reset/confirm?token={second}", service.public);
        let opened = Client::new().request(Request::builder().method(method).uri(url), "").await;
        assert_eq!(opened.status.as_u16(), 405, "a program that checks mail opens every link");
    }
    let done = other.post("/password/reset/confirm", &confirm(&second, NEW)).await;
    assert_eq!((done.status.as_u16(), done.text()), (204, ""));
    let again = service.post("/password/reset/confirm", &confirm(&second, NEW)).await;
    assert_eq!(again.status.as_u16(), 400, "once");
    assert_eq!(shape(&again), shape(&old), "all refusals look the same");

    eventually("the end of the session", async || service.ping(&access).await == 401).await;
    eventually("the end of the key", async || by_key().await == 401).await;
    assert_eq!(service.enter(EMAIL, PASSWORD).await.status.as_u16(), 401, "the old password");
    assert_eq!(service.enter(EMAIL, NEW).await.status.as_u16(), 200, "unlocked, the new password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_replaces_the_password_once_ends_the_sessions_and_unlocks_the_account() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    a_reset(&service, &service, &mail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_resets() {
    let (mail, server) = (SmtpServer::start().await, RedisServer::start());
    let (fleet, url) = (Fleet::new(&server), mail.url());
    let more = [("HARDPOINT_SMTP_URL", &*url), ("HARDPOINT_PUBLIC_URL", PUBLIC)];
    let (a, b) = (fleet.instance(&more).await, fleet.instance(&more).await);
    a_reset(&a, &b, &mail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_confirmations_exactly_one_succeeds() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    service.join(&mail, EMAIL).await;
    for (path, page, done) in
        [("/magic-link", "magic-link", 200), ("/password/reset", "password-reset", 204)]
    {
        service.post(path, &json!({ "email": EMAIL })).await;
        let token = token(&mail, EMAIL, page).await;
        let url = format!("{}/api/v1{path}/confirm", service.public);
        for method in ["GET", "HEAD"] {
            let head = Request::builder().method(method).uri(format!("{url}?token={token}"));
            let opened = Client::new().request(head, "").await;
            assert_eq!(opened.status.as_u16(), 405, "{path}: {method} consumes nothing");
        }
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..64 {
            let password = format!("the new password of attempt {number}");
            let (url, body) = (url.clone(), json!({ "token": token, "password": password }));
            tasks.spawn(async move { Client::new().post_json(url, &body).await.status.as_u16() });
        }
        let statuses = tasks.join_all().await;
        let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
        println!("64 confirmations of {path}: {} succeeded, {} refused", count(done), count(400));
        assert_eq!((count(done), count(400)), (1, 63), "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magic_link_logs_in_and_makes_the_device_known_and_a_new_password_voids_it() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    service.join(&mail, EMAIL).await;
    let ask = json!({ "email": EMAIL });
    service.post("/magic-link", &ask).await;
    let link = token(&mail, EMAIL, "magic-link").await;
    let entered = service.post("/magic-link/confirm", &json!({ "token": link })).await;
    assert_eq!(entered.status.as_u16(), 200, "{}", entered.text());
    assert!(entered.header("set-cookie").starts_with("__Host-device-"));
    assert_eq!(service.ping(entered.json()["access_token"].as_str().unwrap()).await, 200);

    service.post("/magic-link", &ask).await;
    let link = token(&mail, EMAIL, "magic-link").await;
    service.post("/password/reset", &ask).await;
    let reset = token(&mail, EMAIL, "password-reset").await;
    let reset = json!({ "token": reset, "password": NEW });
    assert_eq!(service.post("/password/reset/confirm", &reset).await.status.as_u16(), 204);
    let void = service.post("/magic-link/confirm", &json!({ "token": link })).await;
    assert_eq!(void.status.as_u16(), 400, "made for another password");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_alike_for_known_and_unknown_addresses_and_capped() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    service.join(&mail, EMAIL).await;
    for path in ["/password/reset", "/magic-link"] {
        for number in 1..=6 {
            let known = service.post(path, &json!({ "email": EMAIL })).await;
            let unknown = service.post(path, &json!({ "email": "nobody@example.org" })).await;
            assert_eq!(known.status.as_u16(), if number <= 5 { 202 } else { 429 });
            let (mut known, mut unknown) = (shape(&known), shape(&unknown));
            for shape in [&mut known, &mut unknown] {
                // The two requests are milliseconds apart.
                shape.1.remove("retry-after");
            }
            assert_eq!(known, unknown, "{path} {number}");
        }
    }
    let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
    assert!(metrics.text().contains("purpose=\"magic_link\",result=\"capped\""));
    let sent = sent(&service).await;
    assert_eq!(mail.count() as u64, sent - 1, "one was read");
    let mut read = 0;
    while mail.count() > 0 {
        mail.mail(EMAIL).await;
        read += 1;
    }
    assert!((1..=10).contains(&read), "nothing was sent to nobody@example.org");
}

/// The mails that were sent, once no more are under way.
async fn sent(service: &Service) -> u64 {
    let count = async || {
        let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
        let name = "hardpoint_auth_messages_total{result=\"sent\"} ";
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    eventually("one mail of the sign-up and five of each kind", async || count().await >= 11).await;
    count().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_is_answered_alike_for_free_and_taken_addresses() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    service.join(&mail, EMAIL).await;
    let account = |email: &str, password: &str| json!({ "email": email, "password": password });
    let taken = service.post("/accounts", &account(EMAIL, NEW)).await;
    let free = service.post("/accounts", &account("bob@example.org", NEW)).await;
    assert_eq!(shape(&taken), shape(&free));
    let notice = mail.mail(EMAIL).await;
    assert!(notice.text.contains("You have an account already"), "{}", notice.text);
    assert!(!notice.text.contains("token"), "{}", notice.text);
    assert_eq!(service.enter(EMAIL, NEW).await.status.as_u16(), 401, "unchanged");

    // Not active before its address is verified, and then with the password of the sign-up only.
    assert_eq!(service.enter("bob@example.org", NEW).await.status.as_u16(), 401);
    let token = token(&mail, "bob@example.org", "verify").await;
    let foreign = json!({ "token": token, "password": "the password of a stranger" });
    assert_eq!(service.post("/accounts/confirm", &foreign).await.status.as_u16(), 401);
    let confirm = json!({ "token": token, "password": NEW });
    assert_eq!(service.post("/accounts/confirm", &confirm).await.status.as_u16(), 201);
    assert_eq!(service.post("/accounts/confirm", &confirm).await.status.as_u16(), 400, "once");
    assert_eq!(service.enter("bob@example.org", NEW).await.status.as_u16(), 200);
}

/// A `Host` header decides nothing.
#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_configured_address_whatever_host_the_request_names() {
    let mail = SmtpServer::start().await;
    let service = Service::with_mail(&mail).await;
    service.join(&mail, EMAIL).await;
    for (name, value) in [("host", "evil.example"), ("x-forwarded-host", "evil.example")] {
        let request = Request::post(format!("{}/api/v1/password/reset", service.public))
            .header("content-type", "application/json")
            .header(name, value);
        let body = json!({ "email": EMAIL }).to_string();
        let reply = Client::new().request(request, body).await;
        assert_eq!(reply.status.as_u16(), 202, "{}", reply.text());
        let mail = mail.mail(EMAIL).await;
        assert!(mail.text.contains(PUBLIC) && !mail.text.contains("evil"), "{}", mail.text);
        assert!(!mail.head.contains("evil"), "{}", mail.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_gone_changes_no_answer_and_is_logged_without_the_address() {
    let url = SmtpServer::start().await.url();
    let variables = [("HARDPOINT_SMTP_URL", &*url), ("HARDPOINT_PUBLIC_URL", PUBLIC)];
    let service = Service::start(&variables).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    let reply = service.post("/accounts", &account).await;
    assert_eq!(reply.status.as_u16(), 202, "{}", reply.text());
    let line = service.process.line(PATIENCE, |line| line.contains("was not delivered")).await;
    assert!(line.contains("the mail server cannot be reached"), "{line}");
    let all = service.process.stdout().join("\n");
    assert!(!all.contains("alice") && !all.contains("hot_"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_holds_up_the_end_for_a_bounded_time_and_is_reported() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let variables = [("HARDPOINT_SMTP_URL", &*url), ("HARDPOINT_PUBLIC_URL", PUBLIC)];
    let service = Service::start(&variables).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    let reply = service.post("/accounts", &account).await;
    assert_eq!(reply.status.as_u16(), 202, "{}", reply.text());
    let _hangs = silent.accept().await.unwrap();
    service.process.signal("TERM");
    let code = service.process.wait(Duration::from_secs(20)).await.code();
    assert_eq!(code, Some(70), "a hook failed");
    let all = service.process.stdout().join("\n");
    assert!(all.contains("1 messages were not delivered"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_delivery_the_routes_say_so_and_half_a_configuration_is_refused() {
    let service = Service::start(&[]).await;
    for path in ["/password/reset", "/magic-link"] {
        let reply = service.post(path, &json!({ "email": EMAIL })).await;
        assert_eq!(reply.status.as_u16(), 501, "{path}");
        let confirm = json!({ "token": "hot_x", "password": NEW });
        let reply = service.post(&format!("{path}/confirm"), &confirm).await;
        assert_eq!(reply.status.as_u16(), 501, "{path}");
    }
    for (variables, what) in [
        (&[("HARDPOINT_PUBLIC_URL", PUBLIC)][..], "HARDPOINT_SMTP_URL"),
        (&[("HARDPOINT_SMTP_URL", "smtps://u:hunter2@mail.example")], "HARDPOINT_PUBLIC_URL"),
        (
            &[
                ("HARDPOINT_SMTP_URL", "smtp://u:hunter2@mail.example"),
                ("HARDPOINT_PUBLIC_URL", PUBLIC),
            ],
            "smtps://",
        ),
        (
            &[
                ("HARDPOINT_SMTP_URL", "smtps://u:hunter2@mail.example"),
                ("HARDPOINT_PUBLIC_URL", "http://app.example"),
            ],
            "plain http",
        ),
    ] {
        let process = Process::spawn(&mut program(variables));
        assert_eq!(process.wait(PATIENCE).await.code(), Some(78));
        let report = process.stderr().join("\n");
        assert!(report.contains(what) && !report.contains("hunter2"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_can_be_deleted_by_their_owner() {
    let service = Service::start(&[]).await;
    let mut users = Vec::new();
    for email in [EMAIL, "mallory@example.org"] {
        service.sign_up(email).await;
        let session = service.enter(email, PASSWORD).await.json();
        users.push(session["access_token"].as_str().unwrap().to_owned());
    }
    let send = async |method: &str, path: &str, token: &str, body: String| {
        let head = Request::builder().method(method).uri(format!("{}{path}", service.public));
        let head = head.header("authorization", format!("Bearer {token}"));
        Client::new().request(head.header("content-type", "application/json"), body).await
    };
    let body = json!({ "text": "a" }).to_string();
    let note = send("POST", "/api/v1/notes", &users[0], body).await.json();
    let path = format!("/api/v1/notes/{}", note["id"].as_str().unwrap());
    let empty = String::new;
    assert_eq!(send("DELETE", &path, &users[1], empty()).await.status.as_u16(), 404);
    assert_eq!(send("DELETE", &path, &users[0], empty()).await.status.as_u16(), 204);
    assert_eq!(send("DELETE", &path, &users[0], empty()).await.status.as_u16(), 404);
    let left = send("GET", "/api/v1/notes", &users[0], empty()).await.json();
    assert_eq!(left, json!({ "notes": [] }));
}
