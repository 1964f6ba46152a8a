//! Passwords: the rules for new ones, the hasher, and verifying one at log-in.

use hardpoint::{
    auth::{
        PasswordError, PasswordHasher, PasswordPolicy,
        password::{PasswordClient, WeakPassword},
    },
    core::{Problem, Rejection, Secret, Telemetry},
};
use serde_json::json;

use crate::{
    accounts::{Account, Accounts},
    settings::Settings,
};

/// The rules for new passwords, with the words that everybody tries here.
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

/// Returns the account with this address if the password is right. If its hash has other parameters or
/// another pepper than new ones, it is replaced.
pub(crate) async fn verify(
    passwords: &PasswordHasher,
    accounts: &Accounts,
    client: PasswordClient,
    email: &str,
    password: Secret<str>,
) -> Result<Account, Problem> {
    let account = accounts.find(email).await?;
    let stored = account.as_ref().map(|account| &account.password);
    let verified =
        passwords.verify(client, stored, password).await.map_err(|error| error.problem())?;
    let account = account.ok_or_else(|| PasswordError::Mismatch.problem())?;
    if let Some(replacement) = verified.replacement()
        && accounts.replace_password(email, &account.password, replacement).await.is_err()
    {
        // The password was right. The next log-in tries again.
        tracing::debug!("the replacement of an outdated password hash was not stored");
    }
    Ok(account)
}
