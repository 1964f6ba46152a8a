use std::{error::Error, fmt, io};

/// Why the exporter cannot start.
///
/// It contains every mistake in every variable, and never the value of a variable that may hold a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One mistake in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    variable: String,
    what: String,
    remedy: String,
}

impl Mistake {
    pub(super) fn new(
        variable: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { variable: variable.into(), what: what.into(), remedy: remedy.into() }
    }

    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// What is wrong, as the end of a sentence that begins with the variable: ``is `udp` ``.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl ConfigError {
    pub(super) const fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// All mistakes, by the names of their variables.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.variable, self.what, self.remedy)
    }
}

impl Error for ConfigError {}

/// The operating system did not start the exporter's thread, or TLS has no certificate authorities.
#[derive(Debug)]
pub struct StartError {
    what: &'static str,
    cause: Box<dyn Error + Send + Sync>,
}

impl StartError {
    pub(super) fn thread(cause: io::Error) -> Self {
        Self { what: "cannot start the thread that exports telemetry", cause: cause.into() }
    }

    pub(super) fn authorities(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let what = "cannot read the system's certificate authorities; install the package \
                    ca-certificates, or set OTEL_EXPORTER_OTLP_CERTIFICATE";
        Self { what, cause: cause.into() }
    }

    pub(super) fn identity(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let what = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY do \
                    not belong together";
        Self { what, cause: cause.into() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
