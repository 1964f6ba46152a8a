use std::{error::Error, fmt};

use super::Bounds;

/// The mistakes in the declaration of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One mistake in the declaration of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// The bounds of a histogram do not ascend, are not finite, or are none or too many.
    Bounds {
        /// The metric.
        name: String,
    },
    /// Two metrics have the same name.
    Duplicate {
        /// The name.
        name: String,
    },
    /// A metric has no help text.
    Help {
        /// The metric.
        name: String,
    },
    /// A label's name is not valid, or appears twice.
    Label {
        /// The metric.
        name: String,
        /// The label.
        label: String,
    },
    /// A metric's name is not valid.
    Name {
        /// The name.
        name: String,
    },
    /// A name ends like that of another kind of metric.
    ReservedSuffix {
        /// The name.
        name: String,
    },
    /// A name does not end in its unit, or that of a counter not in `_total`.
    Suffix {
        /// The name.
        name: String,
        /// What it must end in.
        suffix: String,
    },
}

impl ConfigError {
    pub(super) const fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// All mistakes, in the order of the declarations.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds { name } => write!(
                f,
                "the bounds of histogram `{name}` are invalid; write 1 to {} finite numbers in \
                 ascending order",
                Bounds::MAX
            ),
            Self::Duplicate { name } => {
                write!(f, "two metrics are named `{name}`; declare it once and share its handle")
            }
            Self::Help { name } => {
                write!(f, "metric `{name}` has no help text; write one sentence about it")
            }
            Self::Label { name, label } => write!(
                f,
                "label `{label}` of metric `{name}` is invalid or appears twice; write letters, \
                 digits and underscores, and neither `le` nor `quantile`"
            ),
            Self::Name { name } => write!(
                f,
                "metric name `{name}` is invalid; begin with a letter and write letters, digits \
                 and underscores"
            ),
            Self::ReservedSuffix { name } => write!(
                f,
                "metric name `{name}` ends like another kind of metric; only a counter ends in \
                 `_total`, and no name ends in `_bucket`, `_count`, `_sum`, `_created` or `_info`"
            ),
            Self::Suffix { name, suffix } => {
                write!(f, "metric name `{name}` does not end in `{suffix}`, as its unit requires")
            }
        }
    }
}

impl Error for ConfigError {}
