//! Attackers and owners of accounts: lockout, and a forgotten password.

use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Failure,
    client::Client,
    mail::MailServer,
    server::{Secrets, Server},
};

const EMAIL: &str = "carol@example.org";
const NEW: &str = "a password that nobody knows yet";

/// A service that delivers mail, and an account in it.
pub(super) struct Accounts {
    mail: MailServer,
    _server: Server,
    client: Client,
    password: String,
    /// The cookie of the device on which the owner has logged in.
    device: String,
    access: String,
}

impl Accounts {
    /// Starts the service and signs up with a verified address. Returns what that showed.
    pub(super) async fn start(password: &str) -> Result<(Self, Vec<String>), Failure> {
        let mut mail = MailServer::start().await?;
        let url = mail.url();
        let variables =
            [("HARDPOINT_SMTP_URL", &*url), ("HARDPOINT_PUBLIC_URL", "https://app.example")];
        let server = Server::start(&Secrets::generate()?, &variables).await?;
        let client = Client::new(server.address);
        let account = json!({ "email": EMAIL, "password": password });
        let free = client.post("/api/v1/accounts", &account).await?;
        let free = free.expect(StatusCode::ACCEPTED)?;
        let confirm = json!({ "token": mail.token().await?, "password": password });
        let made = client.post("/api/v1/accounts/confirm", &confirm).await?;
        made.expect(StatusCode::CREATED)?;
        let taken = client.post("/api/v1/accounts", &account).await?;
        let taken = taken.expect(StatusCode::ACCEPTED)?;
        if free.body != taken.body {
            return Err("free and taken addresses got different answers".into());
        }
        let session = client.post("/api/v1/session", &account).await?.expect(StatusCode::OK)?;
        let cookie = session.header("set-cookie").split(';').next().unwrap_or_default();
        let (device, access) = (cookie.to_owned(), session.text("access_token")?);
        let lines = vec![
            "a free and a taken address: 202 with the same body; the mail makes the difference"
                .into(),
        ];
        let password = password.to_owned();
        Ok((Self { mail, _server: server, client, password, device, access }, lines))
    }

    /// An attacker guesses, and the owner logs in.
    pub(super) async fn lockout(&self) -> Result<Vec<String>, Failure> {
        let mut guesses = JoinSet::new();
        for number in 0..40 {
            let client = self.client.clone();
            guesses.spawn(async move {
                let guess = json!({ "email": EMAIL, "password": format!("guess {number}") });
                client.post("/api/v1/session", &guess).await.map(|reply| reply.status)
            });
        }
        let mut verified = 0;
        for status in guesses.join_all().await {
            match status? {
                StatusCode::UNAUTHORIZED => verified += 1,
                StatusCode::TOO_MANY_REQUESTS => {}
                other => return Err(format!("a guess got {other}").into()),
            }
        }
        // On a slow machine a delay passes meanwhile, which lets one more in.
        if !(5..=8).contains(&verified) {
            return Err(format!("{verified} guesses were verified").into());
        }
        let account = json!({ "email": EMAIL, "password": self.password });
        let mut stranger = self.client.post("/api/v1/session", &account).await?;
        while stranger.status != StatusCode::TOO_MANY_REQUESTS {
            let guess = json!({ "email": EMAIL, "password": "another guess" });
            stranger = self.client.post("/api/v1/session", &guess).await?;
        }
        let owner = self.client.with_cookie(&self.device);
        owner.post("/api/v1/session", &account).await?.expect(StatusCode::OK)?;
        Ok(vec![
            format!("40 guesses at once: {verified} were verified, the others got 429"),
            format!(
                "a stranger waits ({} s), and the owner's device, by its cookie, logs in at once",
                stranger.header("retry-after")
            ),
        ])
    }

    /// The owner has forgotten the password.
    pub(super) async fn reset(&mut self) -> Result<Vec<String>, Failure> {
        for email in [EMAIL, "nobody@example.org"] {
            let asked =
                self.client.post("/api/v1/password/reset", &json!({ "email": email })).await?;
            asked.expect(StatusCode::ACCEPTED)?;
        }
        // The notice that the address is taken came first, and has no link.
        let token = match self.mail.token().await {
            Ok(token) => token,
            Err(_notice) => self.mail.token().await?,
        };
        let confirm = json!({ "token": token, "password": NEW });
        let path = "/api/v1/password/reset/confirm";
        self.client.post(path, &confirm).await?.expect(StatusCode::NO_CONTENT)?;
        let again = self.client.post(path, &confirm).await?.expect(StatusCode::BAD_REQUEST)?;
        let old = self.client.with_token(&self.access).get("/api/v1/ping").await?;
        old.expect(StatusCode::UNAUTHORIZED)?;
        let account = json!({ "email": EMAIL, "password": NEW });
        self.client.post("/api/v1/session", &account).await?.expect(StatusCode::OK)?;
        Ok(vec![
            "a known and an unknown address: 202; only one of them gets a mail".into(),
            format!("the link works once: then {} {}", again.status.as_u16(), again.text("code")?),
            "every session has ended, the account is unlocked, and the new password logs in".into(),
        ])
    }
}
