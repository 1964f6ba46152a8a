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

/// No password was compared.
pub(crate) struct Unverified {
    pub(crate) problem: Problem,
    /// Whether the attempt counts as failed all the same.
    pub(crate) is_counted: bool,
}

/// Returns the account with this address if the password is right. If its hash has other parameters or
/// another pepper than new ones, it is replaced.
pub(crate) async fn verify(
    app: &App,
    client: PasswordClient,
    email: &str,
    password: Secret<str>,
) -> Result<Option<Account>, Unverified> {
    let found = app.accounts.find(email).await;
    let account = found.map_err(|problem| Unverified { problem, is_counted: false })?;
    let stored = account.as_ref().map(|account| &account.password);
    let verified = match app.passwords.verify(client, stored, password).await {
        Ok(verified) => verified,
        Err(PasswordError::Mismatch) => return Ok(None),
        Err(error) => {
            // These two reveal that the account exists, so the attempt counts.
            let is_counted =
                matches!(error, PasswordError::AboveCeiling | PasswordError::UnknownPepper(_));
            return Err(Unverified { problem: error.problem(), is_counted });
        }
    };
    if let Some(account) = &account
        && let Some(replacement) = verified.replacement()
        && app.accounts.replace_password(email, &account.password, replacement).await.is_err()
    {
        // The password was right. The next log-in tries again.
        tracing::debug!("the replacement of an outdated password hash was not stored");
    }
    Ok(account)
}
