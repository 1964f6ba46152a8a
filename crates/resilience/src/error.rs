//! Mistakes in the configuration of a policy.

use std::{error::Error, fmt};

/// The error type of the layers of this crate: the inner service's error, or one of this crate's
/// own error types, which [`downcast_ref`](trait@Error#method.downcast_ref) distinguishes.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The mistakes in the configuration of a policy, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// The mistakes, in the order of the settings. At least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// One mistake in the configuration of a policy: a value that can never work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    setting: &'static str,
    problem: String,
}

impl Mistake {
    /// The setting, such as `retry.attempts`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.setting, self.problem)
    }
}

/// Collects the mistakes of a builder.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Adds a mistake unless `valid`. `problem` follows the name of the setting: it names the value
    /// and what to write instead ("is 0, so no call is ever sent; write at least 1").
    pub(crate) fn expect(
        &mut self,
        valid: bool,
        setting: &'static str,
        problem: impl FnOnce() -> String,
    ) {
        if !valid {
            self.0.push(Mistake { setting, problem: problem() });
        }
    }

    /// Adds the mistakes of a part.
    pub(crate) fn append(&mut self, part: Self) {
        self.0.extend(part.0);
    }

    /// Returns the mistakes, if any.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError { mistakes: self.0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_listed() {
        let mut part = Mistakes::default();
        part.expect(false, "backoff.cap", || "is 1 ms; write at least 50 ms".to_owned());
        let mut mistakes = Mistakes::default();
        mistakes.expect(false, "retry.attempts", || "is 0; write at least 1".to_owned());
        mistakes.expect(true, "retry.budget", || unreachable!("the value is valid"));
        mistakes.append(part);
        let error = mistakes.into_result().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`retry.attempts` is 0; write at least 1; `backoff.cap` is 1 ms; write at least 50 ms"
        );
        assert_eq!(error.mistakes().len(), 2);
        assert!(Mistakes::default().into_result().is_ok());
    }
}
