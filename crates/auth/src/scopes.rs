//! What a caller may do.

use std::{borrow::Cow, str::FromStr};

/// A set of at least one scope, in OAuth's notation (RFC 6749 §3.3): names separated by spaces.
///
/// It states what a route requires, so it is never empty: an empty requirement would allow every
/// caller. A literal is checked when the program is compiled:
///
/// ```
/// use hardpoint_auth::Scopes;
///
/// const WRITE: Scopes = Scopes::from_static("notes:write");
///
/// let granted: Scopes = "notes:read notes:write".parse()?;
/// assert!(WRITE.is_subset_of(&granted));
/// assert!(!granted.contains("notes"));
/// assert!("".parse::<Scopes>().is_err());
/// # Ok::<(), hardpoint_auth::ParseScopesError>(())
/// ```
///
/// ```compile_fail
/// # use hardpoint_auth::Scopes;
/// const WRITE: Scopes = Scopes::from_static("");
/// # assert!(WRITE.contains("a"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes {
    text: Cow<'static, str>,
}

impl Scopes {
    /// The scopes of a literal.
    ///
    /// # Panics
    /// If `text` is empty or is not a list of scopes; in a `const`, the program does not compile.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_list(text), "write scopes as names with single spaces between them");
        Self { text: Cow::Borrowed(text) }
    }

    /// The scopes in OAuth's notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ')
    }

    /// Whether the set contains the scope `name`. Names are compared exactly; none implies another.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// Whether `others` contains every scope of this set.
    #[must_use]
    pub fn is_subset_of(&self, others: &Self) -> bool {
        self.iter().all(|name| others.contains(name))
    }
}

impl FromStr for Scopes {
    type Err = ParseScopesError;

    /// Duplicates are dropped, and so are additional spaces.
    fn from_str(text: &str) -> Result<Self, ParseScopesError> {
        let mut names: Vec<&str> = Vec::new();
        for name in text.split(' ').filter(|name| !name.is_empty()) {
            if !is_list(name) {
                return Err(ParseScopesError::Name(name.to_owned()));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Err(ParseScopesError::Empty);
        }
        Ok(Self { text: names.join(" ").into() })
    }
}

/// Whether `text` is a list of at least one scope, with single spaces between them.
const fn is_list(text: &str) -> bool {
    let (mut rest, mut is_in_name) = (text.as_bytes(), false);
    while let [byte, tail @ ..] = rest {
        match byte {
            b' ' if is_in_name => is_in_name = false,
            byte if is_in_a_name(*byte) => is_in_name = true,
            _ => return false,
        }
        rest = tail;
    }
    is_in_name
}

/// Whether a name may contain this byte.
pub(crate) const fn is_in_a_name(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')
}

/// A text is not a list of scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseScopesError {
    /// The text contains no scope.
    #[error("the text contains no scope; write at least one")]
    Empty,
    /// This name is not one of a scope.
    #[error(
        "`{}` is not a scope; use printable ASCII without quotes and backslashes", .0.escape_debug()
    )]
    Name(String),
}

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

    #[test]
    fn a_text_without_a_scope_is_an_error_and_never_an_empty_requirement() {
        for empty in ["", " ", "   "] {
            assert!(empty.parse::<Scopes>().is_err(), "{empty:?}");
            assert!(std::panic::catch_unwind(|| Scopes::from_static(empty)).is_err(), "{empty:?}");
        }
    }

    #[test]
    fn a_literal_is_checked_as_strictly_as_it_is_written() {
        const WRITE: Scopes = Scopes::from_static("notes:read notes:write");
        assert!(WRITE.contains("notes:write"));
        for bad in ["a\"b", " a", "a ", "a  b", "a\tb", "\u{e9}"] {
            assert!(std::panic::catch_unwind(|| Scopes::from_static(bad)).is_err(), "{bad:?}");
        }
    }
}
