//! The answer and its time over HTTP say nothing about accounts.

use std::time::Duration;

use hardpoint::core::Time;
use hardpoint_testkit::{http::Client, redis::RedisServer, smtp::SmtpServer, timing::assert_alike};
use serde_json::{Value, json};

use super::{PASSWORD, Service, load::ALONE, recovery::PUBLIC, shape, shared::Fleet};

const KNOWN: &str = "alice@example.org";
const IMPORTED: &str = "bob@example.org";
/// Its pepper is missing.
const PEPPERED: &str = "carol@example.org";
const UNKNOWN: &str = "nobody@example.org";

/// A hash of another system, and its kind of work beside that of new hashes.
const HASH: &str =
    "$pbkdf2-sha256$29000$XotxDqEUwjhnzPlfi5ESQg$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW.2NRypQ";

/// Requests whose answers must all be the same.
struct Asked<'a> {
    server: &'a RedisServer,
    client: Client,
    url: String,
    answer: Option<(u16, Value)>,
    count: usize,
}

impl<'a> Asked<'a> {
    fn new(server: &'a RedisServer, service: &Service, path: &str) -> Self {
        let url = format!("{}/api/v1{path}", service.public);
        Self { server, client: Client::new(), url, answer: None, count: 0 }
    }

    /// The time of an answer.
    async fn time(&mut self, body: &Value) -> Duration {
        if self.count.is_multiple_of(5) {
            self.forget_counts();
        }
        self.count += 1;
        let time = Time::system();
        let begin = time.now();
        let reply = self.client.post_json(&self.url, body).await;
        let taken = time.now().saturating_since(begin);
        let (status, _, body) = shape(&reply);
        let first = self.answer.get_or_insert_with(|| (status, body.clone()));
        assert_eq!(*first, (status, body));
        taken
    }

    /// The limits count per account. Without them a few accounts suffice.
    fn forget_counts(&self) {
        let delete = "for _, pattern in ipairs(ARGV) do
                for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('DEL', key) end
            end
            return 'done'";
        let patterns = ["*:attempt:*", "*:one_time:{o}:[rn]:*"];
        let done = self.server.command(&[&["EVAL", delete, "0"][..], &patterns].concat());
        assert_eq!(done, "done");
    }
}

/// With a mail server, and otherwise without the limits by address.
async fn with_mail(fleet: &Fleet, mail: &SmtpServer) -> Service {
    let url = mail.url();
    let off = ("HARDPOINT_RATE_LIMIT", "off");
    let roomy = ("HARDPOINT_SIGNUP_RATE_LIMIT", "100000/1s");
    let more = [("HARDPOINT_SMTP_URL", &*url), ("HARDPOINT_PUBLIC_URL", PUBLIC), off, roomy];
    fleet.instance(&more).await
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_take_the_same_time_for_known_imported_and_unknown_accounts() {
    let _alone = ALONE.lock().await;
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let roomy = ("HARDPOINT_LOGIN_RATE_LIMIT", "100000/1s");
    let service = fleet.instance(&[("HARDPOINT_RATE_LIMIT", "off"), roomy]).await;
    service.sign_up(IMPORTED).await;
    let key = server.command(&["EVAL", "return redis.call('KEYS', '*account*')[1]", "0"]);
    let mut record: Value = serde_json::from_str(&server.command(&["GET", &key])).unwrap();
    record["password"] = HASH.into();
    assert_eq!(server.command(&["SET", &key, &record.to_string()]), "+OK");
    service.sign_up(KNOWN).await;
    let peppers = ("HARDPOINT_PEPPERS", "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    fleet.instance(&[peppers]).await.sign_up(PEPPERED).await;

    let mut asked = Asked::new(&server, &service, "/session");
    let body = |email| json!({ "email": email, "password": "wrong" });
    // From here on the hasher knows that such hashes are stored.
    asked.time(&body(IMPORTED)).await;
    let kinds = ["an unknown account", "a known one", "an imported one", "one without its pepper"];
    let emails = [UNKNOWN, KNOWN, IMPORTED, PEPPERED];
    let measure = async |kind: usize| asked.time(&body(emails[kind])).await;
    assert_alike(kinds, samples_of_hashes(), measure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_requested_in_the_same_time_for_known_and_unknown_addresses() {
    let _alone = ALONE.lock().await;
    let (mail, server) = (SmtpServer::start().await, RedisServer::start());
    let fleet = Fleet::new(&server);
    fleet.instance(&[]).await.sign_up(KNOWN).await;
    let service = with_mail(&fleet, &mail).await;
    for path in ["/password/reset", "/magic-link"] {
        println!("{path}:");
        let mut asked = Asked::new(&server, &service, path);
        let emails = [UNKNOWN, KNOWN];
        let measure = async |kind: usize| {
            let taken = asked.time(&json!({ "email": emails[kind] })).await;
            if kind == 1 && soaks() {
                // An idle service shows more than one that is busy with the mails before.
                mail.mail(KNOWN).await;
            }
            taken
        };
        let samples = if soaks() { 1_000 } else { 100 };
        assert_alike(["an unknown address", "a known address"], samples, measure).await;
        assert_eq!(asked.answer, Some((202, json!({}))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_take_the_same_time_for_free_and_taken_addresses() {
    let _alone = ALONE.lock().await;
    let (mail, server) = (SmtpServer::start().await, RedisServer::start());
    let fleet = Fleet::new(&server);
    fleet.instance(&[]).await.sign_up(KNOWN).await;
    let service = with_mail(&fleet, &mail).await;
    let mut asked = Asked::new(&server, &service, "/accounts");
    let emails = [UNKNOWN, KNOWN];
    let measure = async |kind: usize| {
        asked.time(&json!({ "email": emails[kind], "password": PASSWORD })).await
    };
    assert_alike(["a free address", "a taken address"], samples_of_hashes(), measure).await;
    assert_eq!(asked.answer, Some((202, json!({}))));
    mail.mail(UNKNOWN).await;
    mail.mail(KNOWN).await;
}

/// An answer that takes a password's hash takes 30 ms.
fn samples_of_hashes() -> usize {
    if soaks() { 1_000 } else { 20 }
}

fn soaks() -> bool {
    std::env::var_os("HARDPOINT_SOAK").is_some()
}
