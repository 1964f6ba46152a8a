use std::{error::Error, fmt};

/// A mistake in the configuration of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The program has a subscriber already.
    AlreadyInstalled,
    /// A filter without a directive.
    EmptyFilter,
    /// A filter with a directive that is none.
    Filter {
        /// What was written.
        value: String,
        /// The part of it that is wrong.
        directive: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "another tracing subscriber is installed already; call `init` once, before anything \
                 else that installs one, or add `Logs::layer` to that subscriber",
            ),
            Self::EmptyFilter => f.write_str(
                "log filter is empty; write a level (info), or `off` to write no line at all",
            ),
            Self::Filter { value, directive } => write!(
                f,
                "log filter `{value}` has `{directive}`, which is no directive; write a level (off, \
                 error, warn, info, debug, trace), or a target and its level (hyper=warn), with \
                 commas between them"
            ),
        }
    }
}

impl Error for ConfigError {}
