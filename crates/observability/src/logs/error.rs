use std::{error::Error, fmt, io};

/// A mistake in the configuration of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The program already has a subscriber.
    AlreadyInstalled {
        /// The place in the code that installed it, if it was [`Logs::init`](super::Logs::init).
        place: Option<String>,
    },
    /// The filter contains no directive.
    EmptyFilter,
    /// The log file cannot be opened.
    File {
        /// Its path.
        path: String,
        /// The kind of the operating system's error.
        kind: io::ErrorKind,
    },
    /// The filter contains an invalid directive.
    Filter {
        /// The configured filter.
        value: String,
        /// The invalid directive.
        directive: String,
        /// The directive that was probably meant.
        instead: Option<String>,
    },
    /// The key of pseudonyms has another length than 16 bytes.
    PseudonymKey {
        /// The length of the key, in bytes.
        bytes: usize,
    },
    /// The operating system did not start the thread that writes the lines.
    Thread {
        /// The kind of the operating system's error.
        kind: io::ErrorKind,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled { place } => {
                f.write_str("a tracing subscriber is already installed")?;
                if let Some(place) = place {
                    write!(f, " by `Logs::init` at {place}")?;
                }
                f.write_str(
                    "; call `init` once, before anything else installs one, or add `Logs::layer` to \
                     that subscriber",
                )
            }
            Self::EmptyFilter => f.write_str(
                "log filter is empty; write a level (info), or `off` to disable logging",
            ),
            Self::File { path, kind } => write!(
                f,
                "cannot open the log file `{}` ({kind}); write the path of a regular file in a \
                 directory that exists and that this process may write to",
                path.escape_debug()
            ),
            Self::Filter { value, directive, instead: Some(instead) } => {
                write!(
                    f,
                    "directive `{directive}` in log filter `{value}` matches nothing; write `{instead}`"
                )
            }
            Self::Filter { value, directive, instead: None } => write!(
                f,
                "invalid directive `{directive}` in log filter `{value}`; write a level (off, \
                 error, warn, info, debug, trace) or `target=level` (hyper=warn); separate \
                 directives with commas"
            ),
            Self::PseudonymKey { bytes } => write!(
                f,
                "the key of pseudonyms has {bytes} bytes; write 16 random bytes, such as from \
                 `openssl rand -base64 16`"
            ),
            Self::Thread { kind } => write!(
                f,
                "cannot start the thread that writes the log ({kind}); raise the thread limit of \
                 this process or its container"
            ),
        }
    }
}

impl Error for ConfigError {}
