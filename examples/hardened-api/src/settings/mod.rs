//! All settings, read once at start. All mistakes are reported at once.

mod parse;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use hardpoint::{
    auth::{SigningKey, VerifyingKey, password::PepperRing, session::RootSecret},
    core::{ClientResolver, Secret},
    edge::HttpsLayer,
    observability::otlp::OtlpBuilder,
    ratelimit::Quota,
    redis::DigestKey,
    secrets::{Environment, Finding, Report},
};

use self::{
    parse::{
        address, drain_deadline, duration, env, grace, log_filter, log_format, loopback,
        optional_quota, quota, sample,
    },
    reader::Reader,
};
use crate::{logging::LogSettings, mail::MailSettings};

/// How long a refresh token that was used is still answered.
const GRACE: Duration = Duration::from_secs(10);

/// The environment the service runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Env {
    Dev,
    Prod,
}

impl Env {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Prod => "prod",
        }
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Human,
    Json,
}

impl LogFormat {
    const fn of(env: Env) -> Self {
        match env {
            Env::Dev => Self::Human,
            Env::Prod => Self::Json,
        }
    }
}

/// The service's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) env: Env,
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) admin_token: Option<Arc<Secret<str>>>,
    pub(crate) resolver: ClientResolver,
    /// The origins whose scripts may read responses.
    pub(crate) cors_origins: Vec<String>,
    /// Sends clients that use plain HTTP to https.
    pub(crate) https: HttpsLayer,
    pub(crate) rate_limit: Option<Quota>,
    pub(crate) subject_rate_limit: Option<Quota>,
    pub(crate) sign_up_rate_limit: Quota,
    pub(crate) log_in_rate_limit: Quota,
    pub(crate) refresh_grace: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) drain_deadline: Duration,
    pub(crate) log: LogSettings,
    /// Off unless the standard variables name a collector.
    pub(crate) otlp: Option<OtlpBuilder>,
    pub(crate) root: Root,
    /// The secrets that password hashes need in addition to the passwords.
    pub(crate) peppers: Option<PepperRing>,
    pub(crate) keys: Keys,
    /// The server that instances share. State is in memory without one.
    pub(crate) shared: Option<SharedState>,
    /// How messages to users are delivered. Without it none are.
    pub(crate) mail: Option<MailSettings>,
    pub(crate) warnings: Vec<Finding>,
}

/// The signing key and the keys that only verify.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) generated: bool,
    pub(crate) previous: Vec<VerifyingKey>,
}

/// The server that instances share, and what identifies users on it.
#[derive(Debug)]
pub(crate) struct SharedState {
    pub(crate) url: Secret<str>,
    pub(crate) digests: DigestKey,
    pub(crate) previous: Option<DigestKey>,
}

/// The secret that symmetric keys are derived from.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) secret: RootSecret,
    pub(crate) generated: bool,
}

impl Settings {
    /// Reads the settings from a snapshot of the environment.
    ///
    /// # Errors
    /// The report contains every mistake in every variable.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Report> {
        let mut reader = Reader::new(environment);
        let env = reader.parsed("HARDPOINT_ENV", Env::Dev, env);
        let delay = Duration::from_secs(if env == Env::Prod { 5 } else { 0 });
        let per_client = Some(Quota::per_second(200).burst(400));
        let per_subject = Some(Quota::per_second(100).burst(200));
        let secrets = reader.secrets(env);
        let keys = reader.keys(secrets.as_ref());
        let root = reader.root(secrets.as_ref());
        let peppers = reader.peppers(secrets.as_ref());
        let shared = reader.shared(env, secrets.as_ref());
        let mail = reader.mail(secrets.as_ref());
        reader.refuse_what_is_unknown();
        reader.check_https();
        let otlp = reader.otlp();
        let admin_listen = reader.parsed("HARDPOINT_ADMIN_LISTEN", loopback(3001), address);
        let admin_token = reader.admin_token(secrets.as_ref(), admin_listen);
        let read = Self {
            env,
            listen: reader.parsed("HARDPOINT_LISTEN", loopback(3000), address),
            admin_listen,
            admin_token,
            resolver: reader.resolver(),
            cors_origins: reader.cors_origins(env),
            https: reader.https(),
            rate_limit: reader.parsed("HARDPOINT_RATE_LIMIT", per_client, optional_quota),
            subject_rate_limit: reader.parsed(
                "HARDPOINT_SUBJECT_RATE_LIMIT",
                per_subject,
                optional_quota,
            ),
            sign_up_rate_limit: reader.parsed(
                "HARDPOINT_SIGNUP_RATE_LIMIT",
                Quota::per_second(1).burst(100),
                quota,
            ),
            log_in_rate_limit: reader.parsed(
                "HARDPOINT_LOGIN_RATE_LIMIT",
                Quota::per_minute(10).burst(100),
                quota,
            ),
            refresh_grace: reader.parsed("HARDPOINT_REFRESH_GRACE", GRACE, grace),
            drain_delay: reader.parsed("HARDPOINT_DRAIN_DELAY", delay, duration),
            drain_deadline: reader.parsed(
                "HARDPOINT_DRAIN_DEADLINE",
                Duration::from_secs(20),
                drain_deadline,
            ),
            log: LogSettings {
                filter: reader.parsed("HARDPOINT_LOG", "info".to_owned(), log_filter),
                format: reader.parsed("HARDPOINT_LOG_FORMAT", LogFormat::of(env), log_format),
                file: reader
                    .text("HARDPOINT_LOG_FILE")
                    .filter(|path| !path.is_empty())
                    .map(Into::into),
                one_success_in: reader.parsed("HARDPOINT_ACCESS_SAMPLE", NonZeroU32::MIN, sample),
            },
            otlp,
            peppers,
            shared,
            mail,
            warnings: secrets.map(|secrets| secrets.warnings().to_vec()).unwrap_or_default(),
            // Last, because they return early: the report is complete at this point.
            root: root.ok_or_else(|| reader.report.clone())?,
            keys: keys.ok_or_else(|| reader.report.clone())?,
        };
        reader.report.into_result().map(|()| read)
    }
}
