//! Accounts, in memory: the users that can log in.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{Json, extract::State};
use hardpoint::{
    auth::{PasswordHash, PasswordPolicy},
    core::{Problem, Secret, axum::RejectionResponse},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{ids, routes::App};

/// The maximum number of accounts, so that memory is bounded.
const MOST: usize = 100_000;
/// The maximum length of an e-mail address (RFC 5321 §4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;

/// Accounts by e-mail address.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    by_email: Mutex<HashMap<String, Account>>,
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) password: PasswordHash,
}

impl Accounts {
    /// Returns the account with this address.
    pub(crate) fn find(&self, email: &str) -> Option<Account> {
        self.lock().get(&normal(email)?).cloned()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= MOST
    }

    fn is_taken(&self, email: &str) -> bool {
        self.lock().contains_key(email)
    }

    fn add(&self, email: String, account: Account) -> Result<(), Problem> {
        let mut accounts = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        // No code panics while it is held, and each call leaves the map consistent.
        self.by_email.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the normalised address, which accounts are stored under, or `None` if it is invalid.
fn normal(email: &str) -> Option<String> {
    let email = email.trim();
    let (name, host) = email.rsplit_once('@')?;
    let plain = !email.chars().any(|character| character.is_whitespace() || character.is_control());
    let whole = !name.is_empty() && !host.is_empty() && email.len() <= LONGEST_EMAIL;
    (plain && whole).then(|| email.to_lowercase())
}

/// `POST /api/v1/accounts`
#[derive(Deserialize)]
pub(crate) struct SignUp {
    email: String,
    password: Secret<str>,
}

pub(crate) async fn sign_up(
    State(app): State<App>,
    Json(sign_up): Json<SignUp>,
) -> Result<(StatusCode, Json<Value>), RejectionResponse> {
    let email =
        normal(&sign_up.email).ok_or_else(|| refused("email", "write an e-mail address"))?;
    let weak = PasswordPolicy::default().check(&sign_up.password);
    weak.map_err(|weak| refused("password", weak.to_string()))?;
    // Checked again by `add`. Checking here saves most of the hashing.
    if app.accounts.is_taken(&email) {
        return Err(taken().into());
    }
    let password = app.passwords.hash(sign_up.password).await?;
    let id = ids::random().ok_or_else(|| Problem::from_status(StatusCode::SERVICE_UNAVAILABLE))?;
    app.accounts.add(email, Account { id: id.clone(), password })?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
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
            &format!("{}@b", "a".repeat(254)),
        ] {
            assert_eq!(normal(bad), None, "{bad:?}");
        }
    }
}
