//! The scenes of a user: signing up, logging in, tokens and the end of a session.

use hardpoint::core::Time;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{EMAIL, PASSWORD, Stage, expect, problem, show, text};
use crate::tour::{Failure, client::Reply};

impl Stage {
    pub(super) async fn sign_up(&mut self) -> Result<(), Failure> {
        self.scene("Signing up: common passwords are refused, others hashed with Argon2id");
        let weak = json!({ "email": EMAIL, "password": "Password2026!!!!" });
        let weak = self.client.post("/api/v1/accounts", &weak).await?;
        show(&format!(
            "a weak password: {}",
            problem(&weak.expect(StatusCode::UNPROCESSABLE_ENTITY)?)?
        ));
        let account = json!({ "email": EMAIL, "password": PASSWORD });
        let made =
            self.client.post("/api/v1/accounts", &account).await?.expect(StatusCode::CREATED)?;
        show(&format!("created: {}", text(&made)));
        let again =
            self.client.post("/api/v1/accounts", &account).await?.expect(StatusCode::CONFLICT)?;
        show(&format!("a second time: {}", problem(&again)?));
        Ok(())
    }

    pub(super) async fn log_in(&mut self) -> Result<(), Failure> {
        self.scene("Logging in: an unknown address and a wrong password get the same response");
        let wrong = json!({ "email": EMAIL, "password": "wrong password" });
        let unknown = json!({ "email": "nobody@example.org", "password": "wrong password" });
        let start = Time::system().now();
        let wrong =
            self.client.post("/api/v1/session", &wrong).await?.expect(StatusCode::UNAUTHORIZED)?;
        let middle = Time::system().now();
        let unknown = self
            .client
            .post("/api/v1/session", &unknown)
            .await?
            .expect(StatusCode::UNAUTHORIZED)?;
        let first = middle.saturating_since(start);
        let second = Time::system().now().saturating_since(middle);
        expect(same_but_for_the_id(&wrong)? == same_but_for_the_id(&unknown)?, "equal responses")?;
        show(&format!("both: {}, after {first:.0?} and {second:.0?}", problem(&wrong)?));
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?.expect(StatusCode::OK)?;
        self.token = session.text("access_token")?;
        let me =
            self.client.with_token(&self.token).get("/api/v1/me").await?.expect(StatusCode::OK)?;
        show(&format!(
            "the right password gets a token of {} bytes with the claims {}",
            self.token.len(),
            text(&me)
        ));
        Ok(())
    }

    pub(super) async fn forged_token(&mut self) -> Result<(), Failure> {
        self.scene("A forged token is rejected without a reason");
        let (header, rest) = self.token.split_once('.').ok_or("a token has dots")?;
        let (claims, signature) = rest.split_once('.').ok_or("a token has two dots")?;
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}.");
        let tampered = format!("{header}.{claims}x.{signature}");
        for (name, forged) in [("alg none", unsigned), ("changed claims", tampered)] {
            let reply = self.client.with_token(&forged).get("/api/v1/ping").await?;
            let reply = reply.expect(StatusCode::UNAUTHORIZED)?;
            show(&format!(
                "{name}: {} with {}",
                problem(&reply)?,
                reply.header("www-authenticate")
            ));
        }
        let jwks = self.client.get("/.well-known/jwks.json").await?.expect(StatusCode::OK)?;
        expect(!text(&jwks).contains("\"d\""), "no private member in the key set")?;
        show(&format!("the public keys, for services that verify tokens: {}", text(&jwks)));
        Ok(())
    }

    pub(super) async fn scopes(&mut self) -> Result<(), Failure> {
        self.scene("Scopes: a token can be narrowed, and grants no more than its scopes");
        let narrow = json!({ "email": EMAIL, "password": PASSWORD, "scope": "notes:read" });
        let narrow = self.client.post("/api/v1/session", &narrow).await?.expect(StatusCode::OK)?;
        let reader = self.client.with_token(&narrow.text("access_token")?);
        let writer = self.client.with_token(&self.token);
        let note = json!({ "text": "remember the milk" });
        let refused = reader.post("/api/v1/notes", &note).await?.expect(StatusCode::FORBIDDEN)?;
        show(&format!("a reader writes: {}", problem(&refused)?));
        writer.post("/api/v1/notes", &note).await?.expect(StatusCode::CREATED)?;
        let notes = reader.get("/api/v1/notes").await?.expect(StatusCode::OK)?;
        show(&format!("a writer writes, and the reader reads: {}", text(&notes)));
        let wider = json!({ "email": EMAIL, "password": PASSWORD, "scope": "admin" });
        let wider =
            self.client.post("/api/v1/session", &wider).await?.expect(StatusCode::BAD_REQUEST)?;
        show(&format!("requesting more: {}", problem(&wider)?));
        Ok(())
    }

    pub(super) async fn api_keys(&mut self) -> Result<(), Failure> {
        self.scene("API keys: a program acts for a user, with less than the user may do");
        let user = self.client.with_token(&self.token);
        let asked = json!({ "name": "backup", "scope": "notes:read", "days": 30 });
        let key = user.post("/api/v1/api-keys", &asked).await?.expect(StatusCode::CREATED)?;
        let (id, text_of_key) = (key.text("id")?, key.text("key")?);
        show(&format!("shown once: {}…", text_of_key.get(..25).unwrap_or_default()));
        let program = self.client.with_api_key(&text_of_key);
        program.get("/api/v1/notes").await?.expect(StatusCode::OK)?;
        show("it reads the notes");
        let note = json!({ "text": "from a program" });
        let refused = program.post("/api/v1/notes", &note).await?.expect(StatusCode::FORBIDDEN)?;
        show(&format!("it writes: {}", problem(&refused)?));
        let more = program.post("/api/v1/api-keys", &asked).await?.expect(StatusCode::FORBIDDEN)?;
        show(&format!("it makes another key: {}", problem(&more)?));
        let path = format!("/api/v1/api-keys/{id}");
        user.send(Method::DELETE, &path, None).await?.expect(StatusCode::NO_CONTENT)?;
        let ended = program.get("/api/v1/notes").await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("its owner ends it: {}", problem(&ended)?));
        Ok(())
    }

    pub(super) async fn refresh(&mut self) -> Result<(), Failure> {
        self.scene("A refresh token is replaced at each use, and a retry gets the same successor");
        let first = self.new_session().await?;
        let second = self.refreshed(&first).await?.expect(StatusCode::OK)?;
        let again = self.refreshed(&first).await?.expect(StatusCode::OK)?;
        let successor = second.text("refresh_token")?;
        expect(successor != first, "another refresh token")?;
        expect(successor == again.text("refresh_token")?, "the same successor for a retry")?;
        let fresh = self.client.with_token(&second.text("access_token")?);
        let sessions = fresh.get("/api/v1/sessions").await?.expect(StatusCode::OK)?.json()?;
        let count = sessions.pointer("/sessions").and_then(Value::as_array).map_or(0, Vec::len);
        show("one refresh and its retry: both got the same new refresh token");
        show(&format!("{count} sessions are listed, one of them as current"));
        Ok(())
    }

    pub(super) async fn reuse(&mut self) -> Result<(), Failure> {
        self.scene("A stolen refresh token: the second holder ends the session");
        let stolen = self.new_session().await?;
        let second = self.refreshed(&stolen).await?.expect(StatusCode::OK)?;
        let owner = self.client.with_token(&second.text("access_token")?);
        owner.get("/api/v1/ping").await?.expect(StatusCode::OK)?;
        let third = self.refreshed(&second.text("refresh_token")?).await?.expect(StatusCode::OK)?;
        let thief = self.refreshed(&stolen).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("a copy of a used token: {}", problem(&thief)?));
        let access = owner.get("/api/v1/ping").await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("the session's access token: {}", problem(&access)?));
        let token = third.text("refresh_token")?;
        let refused = self.refreshed(&token).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("its newest refresh token: {}", problem(&refused)?));
        let line = self.server.line(|line| {
            let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
            message.starts_with("a refresh token was used twice")
        });
        show(&format!("for operators: {}", line.await?));
        Ok(())
    }

    pub(super) async fn log_out(&mut self) -> Result<(), Failure> {
        self.scene("Logging out: the session's tokens are refused from then on");
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?.expect(StatusCode::OK)?;
        let user = self.client.with_token(&session.text("access_token")?);
        user.send(Method::DELETE, "/api/v1/session", None).await?.expect(StatusCode::NO_CONTENT)?;
        let refused = user.get("/api/v1/ping").await?.expect(StatusCode::UNAUTHORIZED)?;
        let token = session.text("refresh_token")?;
        self.refreshed(&token).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("the access token: {}; the refresh token too", problem(&refused)?));
        Ok(())
    }

    /// Logs in and returns the refresh token.
    async fn new_session(&self) -> Result<String, Failure> {
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?;
        session.expect(StatusCode::OK)?.text("refresh_token")
    }

    async fn refreshed(&self, token: &str) -> Result<Reply, Failure> {
        let body = json!({ "refresh_token": token });
        self.client.post("/api/v1/session/refresh", &body).await
    }
}

fn same_but_for_the_id(reply: &Reply) -> Result<Value, Failure> {
    let mut body = reply.json()?;
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    Ok(body)
}
