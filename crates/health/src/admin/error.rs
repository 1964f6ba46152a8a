//! Why the admin listener cannot be served.

use std::{error::Error, fmt, io, net::SocketAddr};

/// Why the admin listener cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdminError {
    /// The address cannot be bound.
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// The token is empty.
    EmptyToken,
    /// The system refuses to use the bound listener.
    Listener {
        /// The reason.
        source: io::Error,
    },
    /// There are routes, but no tokio runtime to run them on.
    NoRuntime,
    /// The address is not a loopback address, and no token is set.
    NoToken {
        /// The address.
        listen: SocketAddr,
    },
    /// The operating system did not start the admin thread.
    Thread {
        /// The reason.
        source: io::Error,
    },
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { listen, .. } => write!(f, "cannot listen on {listen}"),
            Self::EmptyToken => f.write_str(
                "the token of the admin listener is empty; use a random one, such as the output of \
                 `openssl rand -base64 32`",
            ),
            Self::Listener { .. } => f.write_str("cannot use the listener of the admin routes"),
            Self::NoRuntime => f.write_str(
                "no tokio runtime to run the admin routes on; build the lifecycle inside a \
                 runtime, such as in an async main",
            ),
            Self::NoToken { listen } => write!(
                f,
                "an admin listener on {listen} requires a token, because other hosts can reach \
                 it; set one, or listen on a loopback address such as 127.0.0.1"
            ),
            Self::Thread { .. } => f.write_str("cannot start the admin thread"),
        }
    }
}

impl Error for AdminError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Listener { source } | Self::Thread { source } => {
                Some(source)
            }
            Self::EmptyToken | Self::NoRuntime | Self::NoToken { .. } => None,
        }
    }
}
