//! The log: its format, its filter, and where its lines go.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use hardpoint::observability::{ConfigError, Logs, LogsHandle, logs::LogFile, otlp::Otlp};

use crate::settings::{Env, LogFormat};

/// The operator's settings for the log.
#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
    /// A file that rotates, in place of the standard output.
    pub(crate) file: Option<PathBuf>,
    /// One in this many successful requests has an access line.
    pub(crate) one_success_in: NonZeroU32,
}

/// Starts the log. If its lines go to a file, one line on the standard output contains the file's
/// path.
pub(crate) fn start(
    settings: &LogSettings,
    env: Env,
    otlp: &Otlp,
) -> Result<LogsHandle, ConfigError> {
    let logs = match settings.format {
        LogFormat::Human => Logs::human(),
        LogFormat::Json => {
            Logs::json("hardened-api").version(env!("CARGO_PKG_VERSION")).environment(env.as_str())
        }
    };
    let logs = logs.filter(settings.filter.as_str()).otlp(otlp);
    let Some(path) = &settings.file else { return logs.init() };
    let handle = logs.init_to(LogFile::new(path).every(Duration::from_hours(24)).open()?)?;
    println!("hardened-api logs to {}", path.display());
    Ok(handle)
}
