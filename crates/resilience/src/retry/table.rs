//! Which failures are retried.

use std::fmt;

use crate::Class;

/// When a class of failure is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryWhen {
    /// For every request: only for failures after which the destination has not acted.
    Always,
    /// For requests that may be sent twice: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, requests with
    /// an `Idempotency-Key`, and those that the policy declares.
    IfRepeatable,
    /// Never.
    Never,
}

/// Which class of failure is retried for which requests.
///
/// `Display` prints it. This is the default:
///
/// ```
/// use hardpoint_resilience::RetryTable;
///
/// let table = "\
/// class       | GET, HEAD, PUT, DELETE, .., or with Idempotency-Key | POST, PATCH, .. without a key
/// not_sent    | retry                                               | retry
/// throttled   | retry                                               | retry
/// unavailable | retry                                               | -
/// timed_out   | retry                                               | -
/// failed      | retry                                               | -
/// shed        | -                                                   | -
/// rejected    | -                                                   | -
/// success     | -                                                   | -
/// ";
/// assert_eq!(RetryTable::default().to_string(), table);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryTable {
    rows: [RetryWhen; ROWS.len()],
}

/// The classes in the order in which they are printed: the most certain first.
const ROWS: [Class; 8] = [
    Class::NotSent,
    Class::Throttled,
    Class::Unavailable,
    Class::TimedOut,
    Class::Failed,
    Class::Shed,
    Class::Rejected,
    Class::Success,
];

impl RetryTable {
    /// Retries nothing.
    pub const fn none() -> Self {
        Self { rows: [RetryWhen::Never; ROWS.len()] }
    }

    /// Sets when `class` is retried.
    ///
    /// [`RetryWhen::Always`] for a class after which the destination may have acted sends orders
    /// and payments twice. [`Class::Success`] is never retried.
    pub fn with(mut self, class: Class, when: RetryWhen) -> Self {
        for (row, slot) in ROWS.into_iter().zip(&mut self.rows) {
            if row == class && class != Class::Success {
                *slot = when;
            }
        }
        self
    }

    /// Whether a failure of this class is retried for a request that may be sent twice, or for one
    /// that may not.
    #[must_use]
    pub fn allows(&self, class: Class, repeatable: bool) -> bool {
        let row = ROWS.into_iter().zip(self.rows).find(|(row, _)| *row == class);
        row.is_some_and(|(_, when)| when.allows(repeatable))
    }

    /// Whether any failure of such a request is retried.
    pub(crate) fn allows_any(&self, repeatable: bool) -> bool {
        self.rows.into_iter().any(|when| when.allows(repeatable))
    }
}

impl RetryWhen {
    fn allows(self, repeatable: bool) -> bool {
        match self {
            Self::Always => true,
            Self::IfRepeatable => repeatable,
            Self::Never => false,
        }
    }
}

impl Default for RetryTable {
    fn default() -> Self {
        Self::none()
            .with(Class::NotSent, RetryWhen::Always)
            .with(Class::Throttled, RetryWhen::Always)
            .with(Class::Unavailable, RetryWhen::IfRepeatable)
            .with(Class::TimedOut, RetryWhen::IfRepeatable)
            .with(Class::Failed, RetryWhen::IfRepeatable)
    }
}

impl fmt::Display for RetryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REPEATABLE: &str = "GET, HEAD, PUT, DELETE, .., or with Idempotency-Key";

        let cell = |allowed| if allowed { "retry" } else { "-" };
        let width = REPEATABLE.len();
        writeln!(f, "class       | {REPEATABLE} | POST, PATCH, .. without a key")?;
        for class in ROWS {
            let (repeatable, other) = (self.allows(class, true), self.allows(class, false));
            let name = class.as_str();
            writeln!(f, "{name:11} | {:width$} | {}", cell(repeatable), cell(other))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_never_retried() {
        let table = RetryTable::default().with(Class::Success, RetryWhen::Always);
        assert!(!table.allows(Class::Success, true));
    }

    #[test]
    fn a_row_is_replaced() {
        let table = RetryTable::default().with(Class::Throttled, RetryWhen::IfRepeatable);
        assert!(table.allows(Class::Throttled, true) && !table.allows(Class::Throttled, false));
        assert!(table.allows_any(false), "a request that was not sent");
        assert!(!table.with(Class::NotSent, RetryWhen::Never).allows_any(false));
        assert!(!RetryTable::none().allows_any(true));
    }
}
