//! The checks of a lifecycle.

use std::sync::Arc;

use super::{Check, Tracked, graph, run::Task};
use crate::error::{ConfigError, Mistake};

/// A validated set of checks for a [`Lifecycle`](crate::Lifecycle). Default: empty.
#[derive(Debug, Default)]
#[must_use = "checks do not run until a lifecycle is built with them"]
pub struct Checks {
    checks: Vec<Check>,
    /// For each check, the indices of the checks that it depends on.
    ancestors: Vec<Box<[usize]>>,
}

impl Checks {
    /// Returns an empty builder.
    pub const fn builder() -> ChecksBuilder {
        ChecksBuilder { checks: Vec::new() }
    }

    pub(crate) const fn none() -> Self {
        Self { checks: Vec::new(), ancestors: Vec::new() }
    }

    /// The parts of all checks, in the same order.
    pub(crate) fn into_parts(self) -> (Vec<Arc<Tracked>>, Vec<Task>) {
        let checks = self.checks.into_iter().zip(self.ancestors);
        checks.map(|(check, ancestors)| check.into_parts(ancestors)).unzip()
    }

    pub(crate) const fn len(&self) -> usize {
        self.checks.len()
    }
}

/// Builds [`Checks`]. Created by [`Checks::builder`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ChecksBuilder {
    checks: Vec<Check>,
}

impl ChecksBuilder {
    /// Adds a check. Each check costs one call to its dependency per period. All checks share one
    /// thread, unless one blocks it.
    pub fn add_check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Validates and returns the checks.
    ///
    /// # Errors
    /// [`ConfigError`] lists every mistake: empty or duplicate names; periods, timeouts or
    /// thresholds of zero; timeouts that are not shorter than their period; dependencies that are
    /// not checks; and checks that depend on each other.
    pub fn build(self) -> Result<Checks, ConfigError> {
        let mut mistakes: Vec<_> = self.checks.iter().flat_map(Check::mistakes).collect();
        let mut names: Vec<_> = self.checks.iter().map(|check| &check.name).collect();
        names.sort_unstable();
        let mut named_twice: Vec<_> = names
            .array_windows()
            .filter(|[name, next]| name == next && !name.is_empty())
            .map(|[name, _]| Arc::clone(name))
            .collect();
        named_twice.dedup();
        mistakes.extend(named_twice.into_iter().map(|name| Mistake::DuplicateName { name }));
        let (names, depends_on): (Vec<_>, Vec<_>) = self
            .checks
            .iter()
            .map(|check| (Arc::clone(&check.name), check.depends_on.clone()))
            .unzip();
        let ancestors = graph::ancestors(&names, &depends_on).unwrap_or_else(|graph| {
            mistakes.extend(graph);
            Vec::new()
        });
        ConfigError::unless_empty(mistakes)?;
        Ok(Checks { checks: self.checks, ancestors })
    }
}
