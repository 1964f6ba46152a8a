//! Mistakes in a configuration, and failures of commands.

use std::{error, fmt, sync::Arc, time::Duration};

use hardpoint_core::event::StoreErrorKind;
use redis::{RedisError, ServerErrorKind};

/// A mistake in the configuration of a link. It never contains the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting that must be above zero is zero.
    Zero {
        /// The setter.
        setting: &'static str,
    },
    /// The prefix of keys is empty, longer than 64 bytes, or has other characters than
    /// `A-Z a-z 0-9 . _ -`.
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The secret is too short to derive a key from.
    ShortSecret {
        /// Its length in bytes.
        given: usize,
        /// The least length.
        least: usize,
    },
    /// The link's own thread cannot be started.
    Thread {
        /// What the operating system answered.
        kind: std::io::ErrorKind,
    },
    /// The URL needs TLS, and the feature `tls` is off.
    TlsFeature {
        /// The URL, without its password.
        url: String,
    },
    /// A setting is longer than the longest time that the link accepts.
    TooLong {
        /// The setter.
        setting: &'static str,
        /// The time that it was given.
        given: Duration,
        /// The longest time.
        most: Duration,
    },
    /// The URL is not one that the link understands.
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { setting } => {
                write!(f, "`{setting}` of the Redis link is 0; write at least 1")
            }
            Self::Prefix { prefix } => write!(
                f,
                "the key prefix `{prefix}` is not usable; write 1 to 64 of the characters \
                 A-Z a-z 0-9 . _ -"
            ),
            Self::ShortSecret { given, least } => write!(
                f,
                "a secret of {given} bytes is too short to digest keys with; write at least \
                 {least} random bytes"
            ),
            Self::Thread { kind } => {
                write!(f, "the thread of the Redis link cannot be started: {kind}")
            }
            Self::TooLong { setting, given, most } => {
                write!(f, "`{setting}` of the Redis link is {given:?}; write at most {most:?}")
            }
            Self::TlsFeature { url } => write!(
                f,
                "`{url}` needs TLS; turn on the feature `tls` of hardpoint-redis, or write \
                 `redis://` for a network that is private"
            ),
            Self::Url { url, reason } => write!(
                f,
                "`{url}` is not a Redis URL: {reason}; write \
                 redis://[user:password@]host[:port][/database], rediss://.. for TLS, or \
                 unix:///path?db=0&user=..&pass=..; percent-encode special characters of the password"
            ),
        }
    }
}

impl error::Error for ConfigError {}

/// A command failed.
///
/// Cloning is cheap: one failure of the link answers many commands.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    sent: bool,
    source: Option<Arc<RedisError>>,
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The answer is not what the protocol allows, or not of the expected shape.
    Corrupt,
    /// The server refuses the command to this user, or refuses the user.
    Denied,
    /// The queue of the link is full.
    Overloaded,
    /// The server executed the command and it failed: a wrong type under a key, a script's error,
    /// a syntax error.
    Rejected,
    /// The answer did not arrive by the deadline.
    Timeout,
    /// The link is down, or the server cannot serve now: it loads its data, is a replica, or is out
    /// of memory.
    Unavailable,
}

impl ErrorKind {
    /// The kind as one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Denied => "denied",
            Self::Overloaded => "overloaded",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<ErrorKind> for StoreErrorKind {
    /// What the failure means to a store.
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Corrupt | ErrorKind::Rejected => Self::Corrupt,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Denied | ErrorKind::Overloaded | ErrorKind::Unavailable => Self::Unavailable,
        }
    }
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, sent: false, source: None }
    }

    pub(crate) const fn corrupt() -> Self {
        Self::new(ErrorKind::Corrupt)
    }

    pub(crate) const fn unavailable() -> Self {
        Self::new(ErrorKind::Unavailable)
    }

    /// The server is a replica, which refuses writes.
    pub(crate) fn replica() -> Self {
        let text = "the server is a replica; name the primary";
        let source = RedisError::from((redis::ErrorKind::Server(ServerErrorKind::ReadOnly), text));
        Self { kind: ErrorKind::Unavailable, sent: false, source: Some(Arc::new(source)) }
    }

    /// The server may have executed the command.
    pub(crate) const fn possibly_sent(mut self) -> Self {
        self.sent = true;
        self
    }

    pub(crate) fn from_wire(error: RedisError) -> Self {
        let kind = classify(&error);
        // The server answers an error in place of executing the command, and a script's writes
        // before its error stay.
        let sent = matches!(kind, ErrorKind::Rejected | ErrorKind::Corrupt) || error.is_io_error();
        Self { kind, sent, source: Some(Arc::new(error)) }
    }

    /// The error of a command that is refused because of this one: it was not sent.
    pub(crate) fn as_refusal(&self) -> Self {
        let kind = match self.kind {
            ErrorKind::Denied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        Self { kind, sent: false, source: self.source.clone() }
    }

    /// Why the command failed.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the server may have executed the command, in whole or in part, all the same. A
    /// command that must not be executed twice must not be sent again then.
    #[must_use]
    pub const fn may_have_executed(&self) -> bool {
        self.sent
    }

    /// The code of the server's error, such as `WRONGTYPE` or `OOM`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.source.as_deref().and_then(RedisError::code)
    }

    /// Whether the server refuses every command for now, so that the link should be made anew.
    pub(crate) fn is_about_the_server(&self) -> bool {
        self.source.as_deref().is_some_and(server_refuses)
    }
}

/// What an error of redis-rs means.
fn classify(error: &RedisError) -> ErrorKind {
    if server_refuses(error) {
        return ErrorKind::Unavailable;
    }
    match (error.kind(), error.code()) {
        (redis::ErrorKind::AuthenticationFailed, _)
        | (_, Some("NOPERM" | "WRONGPASS" | "NOAUTH")) => ErrorKind::Denied,
        (redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType, _) => ErrorKind::Corrupt,
        (_, Some("OOM")) => ErrorKind::Unavailable,
        (redis::ErrorKind::Server(_) | redis::ErrorKind::Extension, _) => ErrorKind::Rejected,
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ => ErrorKind::Unavailable,
    }
}

/// Whether the server refuses all commands, not only this one.
fn server_refuses(error: &RedisError) -> bool {
    if let redis::ErrorKind::Server(kind) = error.kind() {
        match kind {
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly => return true,
            // Before Redis 7 a script's error carried the code of what it called in its text.
            ServerErrorKind::ResponseError => {
                return error.detail().is_some_and(|text| text.contains("-READONLY "));
            }
            _ => {}
        }
    }
    matches!(error.code(), Some("BUSY" | "MISCONF" | "NOAUTH"))
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind);
        if let Some(source) = &self.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Corrupt => "Redis answered something unexpected",
            ErrorKind::Denied => "Redis refuses the command to this user",
            ErrorKind::Overloaded => "the queue of the Redis link is full",
            ErrorKind::Rejected => "Redis rejected the command",
            ErrorKind::Timeout => "Redis did not answer in time",
            ErrorKind::Unavailable => "Redis is not available",
        })
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}
