//! Fields whose names say that their values are secret. Pure.

/// The words that a secret field's name ends with.
const SECRET: [&str; 51] = [
    "access_key",
    "account_key",
    "api_key",
    "api_token",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "card_number",
    "client_secret",
    "code_verifier",
    "connection_string",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrf",
    "cvc",
    "cvv",
    "dsn",
    "encryption_key",
    "iban",
    "jwt",
    "master_key",
    "mysql_pwd",
    "one_time_code",
    "otp",
    "pan",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "password_hash",
    "passwords",
    "pepper",
    "pgpassword",
    "pin",
    "private_key",
    "privatekey",
    "pwd",
    "recovery_code",
    "refresh",
    "root_secret",
    "secret",
    "secret_key",
    "secrets",
    "signing_key",
    "ssn",
    "token",
    "tokens",
    "totp",
];

/// Which names are secret: the default list, and what a service adds to it or takes from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    added: Vec<String>,
    allowed: Vec<String>,
}

impl Names {
    /// Also hides names that end with these words, or the whole path below a name that ends in `.*`.
    pub(super) fn add(&mut self, name: &str) {
        self.added.push(normal(name));
    }

    /// Shows exactly this name.
    pub(super) fn allow(&mut self, name: &str) {
        self.allowed.push(normal(name));
    }

    /// Whether the value of a field of this name is secret.
    pub(super) fn are_secret(&self, name: &str) -> bool {
        let name = normal(name);
        if self.allowed.contains(&name) {
            return false;
        }
        let ends = |word: &str| {
            name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        };
        let is_added = |rule: &String| match rule.strip_suffix("_*") {
            Some(path) => name.strip_prefix(path).is_some_and(|rest| rest.starts_with('_')),
            None => ends(rule),
        };
        SECRET.into_iter().any(ends) || self.added.iter().any(is_added)
    }
}

/// A name in lower case with `_` between its words: `X-Api-Key`, `x.api.key` and `xApiKey` are one.
fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len() + 2);
    let mut chars = name.chars().peekable();
    let (mut was_lower, mut was_upper) = (false, false);
    while let Some(char) = chars.next() {
        let ends_capitals = was_upper && chars.peek().is_some_and(char::is_ascii_lowercase);
        if char.is_ascii_uppercase() && (was_lower || ends_capitals) {
            normal.push('_');
        }
        was_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
        was_upper = char.is_ascii_uppercase();
        normal.push(if matches!(char, '-' | '.' | ' ') { '_' } else { char.to_ascii_lowercase() });
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_secret_if_it_ends_with_a_secret_word() {
        let names = Names::default();
        for secret in [
            "password",
            "Password",
            "user_password",
            "db.password",
            "userPassword",
            "PASSWORD",
            "x-api-key",
            "X-Api-Key",
            "access_token",
            "refreshToken",
            "Authorization",
            "set-cookie",
            "client_secret",
            "code_verifier",
            "pin",
            "r_token",
            "JWTSecret",
            "DBPassword",
            "AWS_SECRET_ACCESS_KEY",
            "AccountKey",
            "totp",
        ] {
            assert!(names.are_secret(secret), "{secret}");
        }
        for shown in [
            "token_type",
            "token_id",
            "tokens_used",
            "password_length",
            "secretary",
            "spin",
            "author",
            "key",
            "request_id",
            "pinned",
            "expires_in",
            "compass",
            "japan",
        ] {
            assert!(!names.are_secret(shown), "{shown}");
        }
    }

    #[test]
    fn a_service_adds_names_and_shows_others() {
        let mut names = Names::default();
        names.add("tax-number");
        names.add("payment.*");
        names.allow("pagination.token");
        for secret in ["tax_number", "customer.taxNumber", "payment.holder", "payment.card.expiry"]
        {
            assert!(names.are_secret(secret), "{secret}");
        }
        for shown in ["tax_numbers", "payment", "pagination.token", "paginationToken"] {
            assert!(!names.are_secret(shown), "{shown}");
        }
    }
}
