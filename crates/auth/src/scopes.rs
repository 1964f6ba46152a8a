//! What a token allows.

use std::{error::Error, fmt, str::FromStr};

/// A set of scopes as OAuth writes it (RFC 6749 §3.3): names with a space between them.
///
/// ```
/// use hardpoint_auth::Scopes;
///
/// let granted: Scopes = "notes:read notes:write".parse()?;
/// assert!(granted.contains("notes:read"));
/// assert!(!granted.contains("notes"));
/// assert!("notes:read".parse::<Scopes>()?.is_subset_of(&granted));
/// # Ok::<(), hardpoint_auth::ParseScopesError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    text: String,
}

impl Scopes {
    /// No scope.
    #[must_use]
    pub const fn none() -> Self {
        Self { text: String::new() }
    }

    /// The scopes as OAuth writes them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|name| !name.is_empty())
    }

    /// Whether this scope is among them. Names are compared exactly; none implies another.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// Whether all of these are among `others`.
    #[must_use]
    pub fn is_subset_of(&self, others: &Self) -> bool {
        self.iter().all(|name| others.contains(name))
    }
}

impl FromStr for Scopes {
    type Err = ParseScopesError;

    /// Repeated names are kept once; more than one space between names is accepted.
    fn from_str(text: &str) -> Result<Self, ParseScopesError> {
        let mut scopes = Self::none();
        for name in text.split(' ').filter(|name| !name.is_empty()) {
            if !is_name(name) {
                return Err(ParseScopesError { name: name.to_owned() });
            }
            if !scopes.contains(name) {
                let gap = if scopes.text.is_empty() { "" } else { " " };
                scopes.text.extend([gap, name]);
            }
        }
        Ok(scopes)
    }
}

/// Whether a text names scopes.
pub(crate) fn is_list(text: &str) -> bool {
    text.split(' ').all(is_name)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// A text that names no scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseScopesError {
    name: String,
}

impl fmt::Display for ParseScopesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no scope; write printable ASCII without quotes and backslashes, and a space \
             between two scopes",
            self.name.escape_debug()
        )
    }
}

impl Error for ParseScopesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_and_exactly() {
        let scopes: Scopes = "a:read  b:write a:read".parse().unwrap();
        assert_eq!(scopes.as_str(), "a:read b:write");
        assert!(scopes.contains("b:write"));
        for absent in ["a", "read", "A:read", "a:read b:write", ""] {
            assert!(!scopes.contains(absent), "{absent:?}");
        }
    }

    #[test]
    fn characters_that_would_break_a_header_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "caf\u{e9}", "a\nb"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad:?}");
        }
    }
}
