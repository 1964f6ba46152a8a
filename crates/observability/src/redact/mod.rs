//! Redaction: secrets and personal data are kept out of logs.
//!
//! Protects against logs that reveal what they record: a password in a field, a token in an error's
//! text, a card number in a message. A reader of logs should not need the permissions of a reader of
//! the database.
//!
//! # Example
//!
//! ```
//! use hardpoint_observability::redact::{Action, Class, Redactor};
//!
//! let redactor = Redactor::new().field("tax_number").class(Class::Email, Action::Mask);
//! assert_eq!(
//!     redactor.redact("alice@example.com paid with 4111 1111 1111 1111"),
//!     "********@example.com paid with [redacted:card]",
//! );
//! assert_eq!(redactor.redact("GET /orders?page=2&token=hunter2"), "GET /orders?page=2&token=[redacted:credential]");
//! assert!(redactor.hides("customer.taxNumber") && redactor.hides("x-api-key"));
//! assert_eq!(redactor.redact("nothing to hide"), "nothing to hide");
//! ```
//!
//! # Semantics
//! 1. By name: a value of any type whose field name ends with a secret word (`password`, `token`,
//!    `api_key`, `authorization`, `cookie` and others) is replaced as a whole, and
//!    is not even formatted. `token_type` and `password_length` do not end with one. Names are compared
//!    without case, and `-`, `.` and capitals separate words as `_` does.
//! 2. By pattern: in messages and in the texts of other fields, each [`Class`] is found and treated by
//!    its [`Action`]: credentials, tokens and keys, numbers of cards and accounts, e-mail addresses,
//!    passwords in URLs. A number that is a card's is found as a number, too.
//! 3. By type: [`Secret`] never shows its content.
//! 4. A pattern is decided by its own rules: check digits, prefixes of issuers, a colon inside of
//!    `Basic` credentials. Data without such a mark, such as a name or a password alone in a sentence,
//!    is not found.
//!
//! # Sharing
//! Clones share the settings.
//!
//! # Cancellation
//! Redacting never waits.
//!
//! # Deployment caveats
//! It is the last line of defence. A text that is encoded (base64, hexadecimal) or split over several
//! fields is not recognized.
//!
//! # Where to use it
//! [`Logs`](crate::Logs) redacts by default, and [`Logs::redactor`](crate::Logs::redactor) changes how.
//! Call [`Redactor::redact`] for texts that leave the service in another way.

mod account;
mod beginnings;
mod class;
mod field;
mod find;
mod names;
mod number;
mod pattern;
mod personal;
mod seen;
mod words;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use hardpoint_core::Secret;
use siphasher::sip128::SipHasher24;

pub use self::{
    class::{Action, Class},
    personal::Personal,
};
use self::{find::Found, names::Names};
use crate::ConfigError;

/// Redacts nothing: for what this crate writes itself.
pub(crate) static OFF: Redactor = Redactor { rules: None };

/// What replaces the value of a field that is secret by its name.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Finds secrets and personal data by the names of fields and in texts, and replaces them. See the
/// [module docs](self).
///
/// Defaults: the names above; every class is erased, except for IP addresses and telephone numbers,
/// which are kept.
#[derive(Clone)]
#[must_use]
pub struct Redactor {
    rules: Option<Arc<Rules>>,
}

#[derive(Clone)]
struct Rules {
    names: Names,
    actions: [Action; Class::ALL.len()],
    personal: [Action; Personal::ALL.len()],
    key: Option<[u8; 16]>,
    finders: Vec<(&'static str, Arc<Finder>)>,
}

type Finder = dyn Fn(&str) -> Option<Range<usize>> + Send + Sync;

impl Redactor {
    /// The defaults.
    pub fn new() -> Self {
        let actions = Class::ALL.map(Class::default_action);
        let personal = [Action::Keep; Personal::ALL.len()];
        let (names, finders) = (Names::default(), Vec::new());
        let rules = Rules { names, actions, personal, key: None, finders };
        Self { rules: Some(Arc::new(rules)) }
    }

    /// Redacts nothing: the log shows every secret that the program writes into it.
    pub fn dangerous_off() -> Self {
        Self { rules: None }
    }

    /// Also hides fields whose name ends with these words, such as `tax_number`, or all fields below a
    /// path, such as `payment.*`.
    pub fn field(self, name: &str) -> Self {
        self.change(|rules| rules.names.add(name))
    }

    /// Shows the field of exactly this name, although its name ends with a secret word.
    pub fn show_field(self, name: &str) -> Self {
        self.change(|rules| rules.names.allow(name))
    }

    /// What to do with the data of a class. Default: see [`Redactor`].
    pub fn class(self, class: Class, action: Action) -> Self {
        self.change(|rules| {
            if let Some(slot) = rules.actions.get_mut(class as usize) {
                *slot = action;
            }
        })
    }

    /// Also erases what this function finds, and calls it again behind each find. `name` appears in the
    /// text instead: `[redacted:<name>]`.
    ///
    /// It is called for every text that is logged, so it must be fast, and must not log.
    pub fn finder(
        self,
        name: &'static str,
        find: impl Fn(&str) -> Option<Range<usize>> + Send + Sync + 'static,
    ) -> Self {
        self.change(|rules| rules.finders.push((name, Arc::new(find))))
    }

    /// The key of pseudonyms, of 16 bytes. Use a random one, and the same on every instance whose logs
    /// are compared.
    ///
    /// # Errors
    /// [`ConfigError`] if the key has another length.
    pub fn pseudonym_key(self, key: &Secret<[u8]>) -> Result<Self, ConfigError> {
        let bytes = key.expose();
        let key = bytes.try_into().map_err(|_| ConfigError::PseudonymKey { bytes: bytes.len() })?;
        Ok(self.change(|rules| rules.key = Some(key)))
    }

    /// Whether the value of a field of this name is hidden.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.names.are_secret(name))
    }

    /// The text without secrets and personal data. A clean text is not copied.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = String::with_capacity(text.len());
        let mut place = 0;
        for (range, replacement) in found {
            redacted.push_str(text.get(place..range.start).unwrap_or_default());
            redacted.push_str(&replacement);
            place = range.end;
        }
        redacted.push_str(text.get(place..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    /// Redacts the part of a text from `start` on.
    #[inline]
    pub(crate) fn redact_from(&self, text: &mut String, start: usize) {
        if self.rules.is_some() {
            self.redact_all_from(text, start);
        }
    }

    fn redact_all_from(&self, text: &mut String, start: usize) {
        let found = self.find(text.get(start..).unwrap_or_default());
        // From the end, so that positions stay.
        for (range, replacement) in found.into_iter().rev() {
            // A range that splits a character must not end the program.
            let (start, end) = (start + range.start, (start + range.end).min(text.len()));
            let range = text.floor_char_boundary(start)..text.ceil_char_boundary(end);
            text.replace_range(range, &replacement);
        }
    }

    /// Whether a number is one that is erased.
    pub(crate) fn hides_number(&self, number: u128) -> bool {
        let is_long = number >= 100_000_000_000;
        is_long
            && self.rules.as_ref().is_some_and(|rules| {
                rules.action(Class::Card) != Action::Keep && number::is_card(number)
            })
    }

    /// What is found in a text, and what replaces it.
    fn find(&self, text: &str) -> Vec<(Range<usize>, Cow<'static, str>)> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let mut found = Vec::new();
        find::find(text, &rules.names, |class| rules.action(class) != Action::Keep, &mut found);
        if found.is_empty() && rules.finders.is_empty() {
            return Vec::new();
        }
        let replaced = |Found { class, range }: Found| {
            let data = text.get(range.clone()).unwrap_or_default();
            (range, rules.replacement(class, data))
        };
        let mut replaced: Vec<_> = found.into_iter().map(replaced).collect();
        for (name, find) in &rules.finders {
            rules_of_the_service(text, name, &**find, &mut replaced);
        }
        replaced
    }

    fn change(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        if let Some(rules) = &mut self.rules {
            change(Arc::make_mut(rules));
        }
        self
    }
}

/// Adds what a finder of the service finds beside the rest.
fn rules_of_the_service(
    text: &str,
    name: &str,
    find: &Finder,
    replaced: &mut Vec<(Range<usize>, Cow<'static, str>)>,
) {
    let mut place = 0;
    while let Some(rest) = text.get(place..)
        && let Some(range) = find(rest)
    {
        let range = place + range.start..place + range.end;
        // A find without a length, or in the middle of a character, would never end.
        if range.is_empty() || text.get(range.clone()).is_none() {
            return;
        }
        place = range.end;
        if replaced.iter().all(|(other, _)| range.end <= other.start || other.end <= range.start) {
            replaced.push((range, format!("[redacted:{name}]").into()));
        }
    }
    replaced.sort_by_key(|(range, _)| range.start);
}

impl Rules {
    fn action(&self, class: Class) -> Action {
        self.actions.get(class as usize).copied().unwrap_or(Action::Erase)
    }

    fn replacement(&self, class: Class, data: &str) -> Cow<'static, str> {
        const STARS: &str = "********";

        match (self.action(class), self.key) {
            (Action::Mask, _) => match class {
                Class::Email => match data.rsplit_once('@') {
                    Some((_, domain)) => format!("{STARS}@{domain}").into(),
                    None => STARS.into(),
                },
                Class::Card | Class::Iban | Class::Phone | Class::Ssn => {
                    let last = data.get(data.len().saturating_sub(4)..).unwrap_or_default();
                    format!("{STARS}{last}").into()
                }
                _ => STARS.into(),
            },
            (Action::Pseudonym, Some(key)) => pseudonym(&key, class.as_str(), data).into(),
            _ => format!("[redacted:{}]", class.as_str()).into(),
        }
    }
}

/// The same text for the same data under the same key.
fn pseudonym(key: &[u8; 16], name: &str, data: &str) -> String {
    let hash = SipHasher24::new_with_key(key).hash(data.as_bytes());
    format!("[{name}:{:016x}{:016x}]", hash.h1, hash.h2)
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("is_on", &self.rules.is_some()).finish_non_exhaustive()
    }
}
