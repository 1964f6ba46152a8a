//! Accounts: the users that can log in. In memory, or on a server that instances share.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use hardpoint::{
    auth::{PasswordClient, PasswordHash},
    core::{Problem, Secret, axum::RejectionResponse},
    redis::{Concept, Redis, Script},
};
use http::{StatusCode, header::LOCATION, request::Parts};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    ids, passwords, recovery,
    routes::App,
    stores::{NamedKeys, Server, unavailable},
};

/// The maximum number of accounts in memory.
const MOST: usize = 100_000;
/// The maximum length of an e-mail address (RFC 5321 §4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;

const ACCOUNTS: Concept = Concept::lasting("account").loss("its owner cannot log in any more");

/// Accounts by e-mail address.
#[derive(Debug)]
pub(crate) enum Accounts {
    Memory(Mutex<HashMap<String, Account>>),
    Shared(Box<Shared>),
}

/// Accounts on a server.
#[derive(Debug)]
pub(crate) struct Shared {
    redis: Redis,
    keys: NamedKeys,
    find: Script,
    add: Script,
    replace: Script,
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) password: PasswordHash,
}

/// An account as the server keeps it.
#[derive(Deserialize, Serialize)]
struct Record {
    id: String,
    password: String,
}

/// Returns the account. One that is still under the key of the previous root secret moves.
const FIND: &str = "
if KEYS[2] and redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[1])
end
return redis.call('GET', KEYS[1])";

/// Adds an account unless the address has one.
const ADD: &str = "
if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('SETNX', KEYS[1], ARGV[1])";

/// Replaces the stored hash if it is still the given one.
const REPLACE: &str = "
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
local record = cjson.decode(text)
if record.password ~= ARGV[1] then return 0 end
record.password = ARGV[2]
redis.call('SET', KEYS[1], cjson.encode(record))
return 1";

impl Accounts {
    pub(crate) fn new(server: Option<&Server>) -> Self {
        let Some(server) = server else { return Self::Memory(Mutex::default()) };
        Self::Shared(Box::new(Shared {
            redis: server.redis.clone(),
            keys: server.keys(&ACCOUNTS),
            find: Script::new(FIND),
            add: Script::new(ADD),
            replace: Script::new(REPLACE),
        }))
    }

    /// Returns the account with this address.
    pub(crate) async fn find(&self, email: &str) -> Result<Option<Account>, Problem> {
        match (normal(email), self) {
            (None, _) => Ok(None),
            (Some(email), Self::Memory(accounts)) => Ok(lock(accounts).get(&email).cloned()),
            (Some(email), Self::Shared(shared)) => shared.find(&email).await,
        }
    }

    /// Whether no account can be added. A server has a limit of its own.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Memory(accounts) if lock(accounts).len() >= MOST)
    }

    /// Replaces the stored hash of an account, unless it has changed since it was found. Returns
    /// whether it was replaced.
    pub(crate) async fn replace_password(
        &self,
        email: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, Problem> {
        match (normal(email), self) {
            (None, _) => Ok(false),
            (Some(email), Self::Memory(accounts)) => {
                let mut accounts = lock(accounts);
                let account = accounts.get_mut(&email).filter(|a| a.password == *old);
                Ok(account.map(|account| account.password = new.clone()).is_some())
            }
            (Some(email), Self::Shared(shared)) => shared.replace(&email, old, new).await,
        }
    }

    pub(crate) async fn add(&self, email: String, account: Account) -> Result<(), Problem> {
        match self {
            Self::Memory(accounts) => add_to(&mut lock(accounts), email, account),
            Self::Shared(shared) => shared.add(&email, &account).await,
        }
    }
}

impl Shared {
    async fn find(&self, email: &str) -> Result<Option<Account>, Problem> {
        let keys = self.keys.of(email);
        let answer = self.redis.run(&self.find, &keys, [""; 0]).await;
        let record = answer.and_then(|value| value.into_bytes()).map_err(|e| unavailable(&e))?;
        record.map(|record| read(&record)).transpose()
    }

    async fn add(&self, email: &str, account: &Account) -> Result<(), Problem> {
        let record = Record { id: account.id.clone(), password: account.password.as_str().into() };
        let record = json!(record).to_string();
        let answer = self.redis.run(&self.add, &self.keys.of(email), [&record]).await;
        match answer.and_then(|value| value.into_int()).map_err(|e| unavailable(&e))? {
            0 => Err(taken()),
            _ => Ok(()),
        }
    }

    async fn replace(
        &self,
        email: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, Problem> {
        let texts = [old, new].map(PasswordHash::as_str);
        let answer = self.redis.run(&self.replace, &self.keys.of(email), texts).await;
        let replaced = answer.and_then(|value| value.into_int()).map_err(|e| unavailable(&e))?;
        Ok(replaced == 1)
    }
}

fn read(record: &[u8]) -> Result<Account, Problem> {
    let broken = || Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
    let Record { id, password } = serde_json::from_slice(record).map_err(|_| broken())?;
    // Records of another system are imported with the hashes that it made. Another answer for one that
    // cannot be read would reveal that the account exists.
    let password = PasswordHash::parse_imported(&password)
        .unwrap_or_else(|_| PasswordHash::unusable(&password));
    Ok(Account { id, password })
}

fn add_to(
    accounts: &mut HashMap<String, Account>,
    email: String,
    account: Account,
) -> Result<(), Problem> {
    if accounts.len() >= MOST {
        return Err(Problem::from_status(StatusCode::SERVICE_UNAVAILABLE));
    }
    match accounts.entry(email) {
        Entry::Occupied(_) => Err(taken()),
        Entry::Vacant(vacant) => {
            vacant.insert(account);
            Ok(())
        }
    }
}

fn lock(accounts: &Mutex<HashMap<String, Account>>) -> MutexGuard<'_, HashMap<String, Account>> {
    // No code panics while it is held, and each call leaves the map consistent.
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the normalised address, which accounts are stored under, or `None` if it is invalid.
fn normal(email: &str) -> Option<String> {
    let email = email.trim();
    let (name, host) = email.rsplit_once('@')?;
    // Quotes and comments (RFC 5322 §3.2) are other spellings of a mailbox, and limits count spellings.
    let is_other = |c: char| c.is_whitespace() || c.is_control() || "<>\"(),:;\\".contains(c);
    let plain = !email.chars().any(is_other);
    let whole = !name.is_empty() && !host.is_empty() && email.len() <= LONGEST_EMAIL;
    (plain && whole).then(|| email.to_lowercase())
}

/// The name under which attempts to log in with this address are counted: one for all spellings.
pub(crate) fn counted_as(email: &str) -> String {
    normal(email).unwrap_or_else(|| email.trim().to_lowercase())
}

/// `POST /api/v1/accounts`
#[derive(Deserialize)]
pub(crate) struct SignUp {
    email: String,
    password: Secret<str>,
}

pub(crate) async fn sign_up(
    State(app): State<Arc<App>>,
    parts: Parts,
    Json(sign_up): Json<SignUp>,
) -> Result<Response, RejectionResponse> {
    let email =
        normal(&sign_up.email).ok_or_else(|| refused("email", "write an e-mail address"))?;
    app.policy.check(&sign_up.password, &[&email]).map_err(passwords::weak)?;
    if app.mail.is_delivered() {
        let accepted = recovery::sign_up(app, &parts, email, sign_up.password).await?;
        return Ok(accepted.into_response());
    }
    // Checked again by `add`. Checking here saves most of the hashing.
    if app.accounts.find(&email).await?.is_some() {
        return Err(taken().into());
    }
    let password = app.passwords.hash(PasswordClient::from_parts(&parts), sign_up.password).await?;
    let id = ids::random().ok_or_else(|| Problem::from_status(StatusCode::SERVICE_UNAVAILABLE))?;
    app.accounts.add(email, Account { id: id.clone(), password }).await?;
    Ok(created(&id))
}

/// The answer for a new account.
pub(crate) fn created(id: &str) -> Response {
    // The account, for the user who logs in to it.
    let location = [(LOCATION, "/api/v1/me")];
    (StatusCode::CREATED, location, Json(json!({ "id": id }))).into_response()
}

fn refused(field: &str, what: impl Into<String>) -> Problem {
    let error = json!({ "pointer": format!("#/{field}"), "detail": what.into() });
    Problem::from_status(StatusCode::UNPROCESSABLE_ENTITY).add_member("errors", json!([error]))
}

fn taken() -> Problem {
    Problem::new(StatusCode::CONFLICT, "account_taken", "An account with this address exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        assert_eq!(normal(" Alice@Example.ORG ").as_deref(), Some("alice@example.org"));
        for bad in [
            "",
            "alice",
            "@example.org",
            "alice@",
            "a b@c",
            "a\n@b",
            "x1<a@b>",
            "\"a\"@b",
            "a(x)@b",
            "a,c@b",
            "a\\c@b",
            &format!("{}@b", "a".repeat(254)),
        ] {
            assert_eq!(normal(bad), None, "{bad:?}");
        }
    }
}
