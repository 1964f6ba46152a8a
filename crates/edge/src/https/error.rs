//! Hosts that cannot be configured.

/// A host cannot be redirected to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// This text is not the name of a host.
    Host(String),
    /// No host is listed, so that every request over plain HTTP would be refused.
    NoHost,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(text) => write!(
                f,
                "{text:?} is not a host to redirect to; write its name without a scheme, a port and a \
                 path, such as api.example"
            ),
            Self::NoHost => f.write_str(
                "no host is listed, so there is nothing to redirect to; list the service's own hosts, \
                 such as api.example",
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
