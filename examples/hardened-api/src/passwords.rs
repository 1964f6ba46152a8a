//! Passwords: the rules for new ones, the hasher, and verifying one at log-in.

use hardpoint::{
    auth::{
        PasswordError, PasswordHasher, PasswordPolicy,
        password::{PasswordClient, WeakPassword},
    },
    core::{Problem, Rejection, Secret, Telemetry},
};
use serde_json::json;

use crate::{accounts::Account, routes::App, settings::Settings};

/// The rules for new passwords, with the words that attackers try first here.
pub(crate) fn policy() -> PasswordPolicy {
    PasswordPolicy::default().add_word("hardened-api").add_word("hardpoint")
}

/// The hasher of the service.
pub(crate) fn hasher(settings: &Settings, telemetry: &Telemetry) -> PasswordHasher {
    let hasher = PasswordHasher::builder().telemetry(telemetry);
    match &settings.peppers {
        Some(peppers) => hasher.peppers(peppers.clone()).build(),
        None => hasher.build(),
    }
}

/// The rejection of a weak password: the rule that it breaks, and the member of the document.
pub(crate) fn weak(weak: WeakPassword) -> Problem {
    let error = json!({ "pointer": "#/password", "detail": weak.to_string(), "rule": weak.rule() });
    weak.problem().add_member("errors", json!([error]))
}

/// A password was not right, or could not be verified.
pub(crate) struct Unverified {
    pub(crate) problem: Problem,
    /// Whether the attempt counts as failed.
    pub(crate) is_counted: bool,
}

impl From<PasswordError> for Unverified {
    fn from(error: PasswordError) -> Self {
        Self { problem: error.problem(), is_counted: error.is_counted() }
    }
}

/// Returns the account with this address. The password is right. If its hash has other parameters or
/// another pepper than new ones, it is replaced.
pub(crate) async fn verify(
    app: &App,
    client: PasswordClient,
    email: &str,
    password: Secret<str>,
) -> Result<Account, Unverified> {
    let found = app.accounts.find(email).await;
    let account = found.map_err(|problem| Unverified { problem, is_counted: false })?;
    let stored = account.as_ref().map(|account| &account.password);
    let verified = app.passwords.verify(client, stored, password).await?;
    let account = account.ok_or(PasswordError::Mismatch)?;
    if let Some(replacement) = verified.replacement()
        && app.accounts.replace_password(email, &account.password, replacement).await.is_err()
    {
        // The password was right. The next log-in tries again.
        tracing::debug!("the replacement of an outdated password hash was not stored");
    }
    Ok(account)
}
