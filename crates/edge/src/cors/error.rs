//! Mistakes in the configuration of origins.

use std::{error::Error, fmt};

use hardpoint_core::OriginError;

/// All mistakes in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// `None` without mistakes.
    pub(super) fn new(mistakes: Vec<Mistake>) -> Option<Self> {
        (!mistakes.is_empty()).then_some(Self { mistakes })
    }

    /// The mistakes, in the order of the settings.
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

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// `*` together with credentials: every site could act for the user.
    CredentialsForEveryone,
    /// An origin that protects nothing: plain http, `null` or `*`.
    InsecureOrigin {
        /// The configured text.
        value: String,
    },
    /// No origin.
    NoOrigin,
    /// A text that is not an origin, or one that browsers never send.
    Origin(OriginError),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialsForEveryone => f.write_str(
                "origin `*` with credentials would let every site act for the user; write the \
                 origins, or leave credentials out",
            ),
            Self::InsecureOrigin { value } if value == "*" => f.write_str(
                "origin `*` lets every site read responses; write the origins, or call \
                 `any_origin` if the responses are public",
            ),
            Self::InsecureOrigin { value } if value == "null" => f.write_str(
                "origin `null` is that of every sandboxed page and every file; serve the page from \
                 a host",
            ),
            Self::InsecureOrigin { value } => write!(
                f,
                "origin `{value}` is not encrypted, so anyone on the way can use it; write its \
                 https form"
            ),
            Self::NoOrigin => f.write_str("no origin is allowed; name one, or turn CORS off"),
            Self::Origin(error) => error.fmt(f),
        }
    }
}
