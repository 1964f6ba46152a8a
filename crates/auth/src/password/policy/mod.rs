//! The rules for new passwords.

mod list;
mod shape;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use hardpoint_core::{Problem, Rejection, Secret};
use http::StatusCode;

pub use self::list::{PasswordList, PasswordListError};

/// The rules for a new password, by NIST SP 800-63B-4 and OWASP ASVS 5.0 §6.2.
///
/// A password is rejected if any of the following hold:
/// 1. It has fewer code points than [`min_chars`](Self::min_chars): 15, or 8 beside a second factor.
/// 2. It has more than [`MAX_BYTES`](Self::MAX_BYTES) bytes.
/// 3. It repeats a text of fewer than 8 code points, or consists of runs of five and more neighbours in
///    the alphabet or on a keyboard.
/// 4. A list contains it, ignoring case: [`PasswordList::common`], and those that
///    [`add_list`](Self::add_list) added. The lists are also searched for the password without digits and
///    symbols at its ends, without common substitutions (`p4$$w0rd`), and for the text that it repeats.
/// 5. Fewer than 8 code points, or a listed password, are left of it without the words of its context:
///    the service's name ([`add_word`](Self::add_word)), the user's name, and the parts of an e-mail
///    address ([`check`](Self::check)). Case, substitutions and appended digits hide no word.
///
/// No rule demands digits or symbols, and no rule expires a password: both make passwords worse (NIST SP
/// 800-63B-4 §3.1.1.2). The whole password counts, up to the maximum.
///
/// A check of an ordinary password takes microseconds, and one of the longest with the most words less
/// than a millisecond. Its copies of the password are wiped.
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordPolicy {
    min_chars: usize,
    lists: Arc<[PasswordList]>,
    words: Arc<[Cow<'static, str>]>,
}

/// The fewest code points that must remain of a password without repetitions and context words.
const MIN_OWN_CHARS: usize = 8;

impl PasswordPolicy {
    /// The longest password, in bytes. NIST and ASVS demand at least 64 characters; 1024 bytes hold 256
    /// of any script. Longer ones only take the hash function's time, and memory while they wait.
    pub const MAX_BYTES: usize = 1024;
    /// The default of [`min_chars`](Self::min_chars).
    pub const SINGLE_FACTOR_CHARS: usize = 15;
    /// The least of [`min_chars`](Self::min_chars).
    pub const SECOND_FACTOR_CHARS: usize = 8;

    /// The rules for passwords that never protect an account without a second factor: at least 8 code
    /// points. Otherwise as [`default`](Self::default).
    pub fn beside_second_factor() -> Self {
        Self { min_chars: Self::SECOND_FACTOR_CHARS, ..Self::default() }
    }

    /// The shortest password, in code points. Default: 15, what NIST SP 800-63B-4 demands where nothing
    /// but a password protects an account. The minimum is 8; a lower number is raised to it.
    pub fn min_chars(mut self, chars: usize) -> Self {
        self.min_chars = chars.max(Self::SECOND_FACTOR_CHARS);
        self
    }

    /// Also rejects the passwords of this list, such as a larger list of leaked ones. Default: only
    /// [`PasswordList::common`], which cannot be removed.
    pub fn add_list(mut self, list: PasswordList) -> Self {
        self.lists = self.lists.iter().cloned().chain([list]).collect();
        self
    }

    /// Adds a word that every attacker tries: the name of the service, of the company, of a product.
    /// Default: none. Words of fewer than 3 characters are ignored.
    pub fn add_word(mut self, word: impl Into<Cow<'static, str>>) -> Self {
        self.words = self.words.iter().cloned().chain([word.into()]).collect();
        self
    }

    /// Checks a new password. `context` has what is known about its user: the user name, the e-mail
    /// address, the display name. Each counts as a whole, and so does each of its parts. Values beyond
    /// the first 16, with the policy's own words, text beyond 254 characters of each, and all but the 64
    /// longest parts are ignored.
    ///
    /// ```
    /// use hardpoint_auth::password::{PasswordPolicy, WeakPassword};
    /// use hardpoint_core::Secret;
    ///
    /// let policy = PasswordPolicy::default().add_word("hardpoint");
    /// let check = |password: &str| policy.check(&Secret::from(password), &["alice@example.org"]);
    /// assert_eq!(check("correct horse battery staple"), Ok(()));
    /// assert_eq!(check("password"), Err(WeakPassword::TooShort(15)));
    /// assert_eq!(check("P4ssw0rd2026!!!!"), Err(WeakPassword::Common));
    /// assert_eq!(check("4l1ce@hardpoint"), Err(WeakPassword::Context));
    /// assert_eq!(check("123456789012345"), Err(WeakPassword::Predictable));
    /// ```
    ///
    /// # Errors
    /// [`WeakPassword`] names the rule, and can be shown to the user.
    pub fn check(&self, password: &Secret<str>, context: &[&str]) -> Result<(), WeakPassword> {
        let password = password.expose();
        if password.len() > Self::MAX_BYTES {
            return Err(WeakPassword::TooLong(Self::MAX_BYTES));
        }
        if password.chars().count() < self.min_chars {
            return Err(WeakPassword::TooShort(self.min_chars));
        }
        let folded = shape::fold(password);
        let unit = shape::repeated(&folded);
        if unit.is_some_and(is_short) || shape::is_few_runs(&folded) {
            return Err(WeakPassword::Predictable);
        }
        let values: Vec<&str> =
            self.words.iter().map(AsRef::as_ref).chain(context.iter().copied()).collect();
        let own = shape::without_words(&folded, &shape::words(&values));
        if own.is_some_and(|own| is_short(&own) || self.is_listed(&own)) {
            return Err(WeakPassword::Context);
        }
        if self.is_listed(&folded) || unit.is_some_and(|unit| self.is_listed(unit)) {
            return Err(WeakPassword::Common);
        }
        Ok(())
    }

    fn is_listed(&self, folded: &str) -> bool {
        shape::any_disguise(folded, |text| self.lists.iter().any(|list| list.contains(text)))
    }
}

fn is_short(text: &str) -> bool {
    text.chars().count() < MIN_OWN_CHARS
}

impl Default for PasswordPolicy {
    /// The rules for passwords that protect an account without a second factor.
    fn default() -> Self {
        Self {
            min_chars: Self::SINGLE_FACTOR_CHARS,
            lists: [PasswordList::common()].into(),
            words: [].into(),
        }
    }
}

/// A password breaks a rule of the policy. `Display` says what to do, and never shows the password.
///
/// As a [`Rejection`] it is 422 `weak_password` with the member `rule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakPassword {
    /// Attackers try it first: a list contains it, or what it disguises.
    #[error("use a password that is not among the most common ones, also not with added digits")]
    Common,
    /// It consists of the names of the user or of the service.
    #[error(
        "use a password that is not made from your name, your address or the name of the service"
    )]
    Context,
    /// It repeats a short text, or follows the alphabet or the keyboard.
    #[error(
        "use a password that does not repeat a short text or follow the alphabet or the keyboard"
    )]
    Predictable,
    /// It has more than so many bytes.
    #[error("use at most {0} bytes")]
    TooLong(usize),
    /// It has fewer than so many code points.
    #[error("use at least {0} characters")]
    TooShort(usize),
}

impl WeakPassword {
    /// The broken rule as one lowercase word: `common`, `context`, `predictable`, `too_long` or
    /// `too_short`.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Context => "context",
            Self::Predictable => "predictable",
            Self::TooLong(_) => "too_long",
            Self::TooShort(_) => "too_short",
        }
    }
}

impl Rejection for WeakPassword {
    fn problem(&self) -> Problem {
        let title = "The password is too weak";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", title)
            .detail(self.to_string())
            .add_member("rule", self.rule())
    }
}
