//! Reads variables one by one.

use hardpoint::{
    core::{ClientResolver, Family, TrustedProxies},
    edge::{CorsLayer, HttpsLayer},
    observability::otlp::{self, OtlpBuilder},
    secrets::{Environment, Report},
};

use super::Env;

/// All variables that begin with `HARDPOINT_`. Any other is a mistake.
const KNOWN: [&str; 30] = [
    "HARDPOINT_ACCESS_SAMPLE",
    "HARDPOINT_ADMIN_LISTEN",
    "HARDPOINT_ADMIN_TOKEN",
    "HARDPOINT_ADMIN_TOKEN_FILE",
    "HARDPOINT_CORS_ORIGINS",
    "HARDPOINT_HTTPS_HOSTS",
    "HARDPOINT_DRAIN_DEADLINE",
    "HARDPOINT_DRAIN_DELAY",
    "HARDPOINT_ENV",
    "HARDPOINT_FORWARDED",
    "HARDPOINT_LISTEN",
    "HARDPOINT_LOG",
    "HARDPOINT_LOGIN_RATE_LIMIT",
    "HARDPOINT_LOG_FILE",
    "HARDPOINT_LOG_FORMAT",
    "HARDPOINT_PEPPERS",
    "HARDPOINT_PEPPERS_FILE",
    "HARDPOINT_PUBLIC_URL",
    "HARDPOINT_RATE_LIMIT",
    "HARDPOINT_REDIS_URL",
    "HARDPOINT_REFRESH_GRACE",
    "HARDPOINT_ROOT_SECRET",
    "HARDPOINT_ROOT_SECRET_FILE",
    "HARDPOINT_ROOT_SECRET_PREVIOUS",
    "HARDPOINT_ROOT_SECRET_PREVIOUS_FILE",
    "HARDPOINT_SIGNUP_RATE_LIMIT",
    "HARDPOINT_SMTP_URL",
    "HARDPOINT_SMTP_URL_FILE",
    "HARDPOINT_SUBJECT_RATE_LIMIT",
    "HARDPOINT_TRUSTED_PROXIES",
];

/// Collects mistakes instead of stopping at the first.
pub(super) struct Reader<'e> {
    pub(super) environment: &'e Environment,
    pub(super) report: Report,
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment) -> Self {
        Self { environment, report: Report::new() }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.environment.get(name).map(|value| value.map(str::to_owned));
        self.report.collect(value).flatten()
    }

    /// Returns the value, or the default if the variable is unset or invalid.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = self.text(name) else { return default };
        parse(&text).unwrap_or_else(|remedy| {
            self.report.add(name, format!("is `{}`", text.escape_debug()), remedy);
            default
        })
    }

    pub(super) fn resolver(&mut self) -> ClientResolver {
        let family = self.parsed("HARDPOINT_FORWARDED", Family::XForwarded, |text| match text {
            "x-forwarded" => Ok(Family::XForwarded),
            "forwarded" => Ok(Family::Forwarded),
            _ => Err("write `x-forwarded` or `forwarded`".to_owned()),
        });
        let nobody = TrustedProxies::none();
        let proxies = self.parsed("HARDPOINT_TRUSTED_PROXIES", nobody, |text| {
            let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
            TrustedProxies::new(networks).map_err(|error| format!("fix it: {error}"))
        });
        ClientResolver::new(proxies, family)
    }

    /// Returns the origins, checked as strictly as the environment is.
    pub(super) fn cors_origins(&mut self, env: Env) -> Vec<String> {
        self.parsed("HARDPOINT_CORS_ORIGINS", Vec::new(), |text| {
            let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
            let origins: Vec<_> = origins.map(str::to_owned).collect();
            let builder = CorsLayer::builder(origins.iter().cloned());
            let builder = if env == Env::Dev { builder.insecure_origins() } else { builder };
            match builder.build() {
                Ok(_) => Ok(origins),
                Err(error) => Err(format!("fix it: {error}")),
            }
        })
    }

    /// Returns the layer that sends clients of these hosts to https.
    pub(super) fn https(&mut self) -> HttpsLayer {
        self.parsed("HARDPOINT_HTTPS_HOSTS", HttpsLayer::off(), |text| {
            let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty());
            HttpsLayer::new(hosts).map_err(|error| format!("fix it: {error}"))
        })
    }

    /// Reports hosts without a trusted proxy: without one, the layer never learns the scheme.
    pub(super) fn check_https(&mut self) {
        let mut is_set = |name| self.text(name).is_some_and(|text| !text.trim().is_empty());
        if is_set("HARDPOINT_HTTPS_HOSTS") && !is_set("HARDPOINT_TRUSTED_PROXIES") {
            let remedy = "set HARDPOINT_TRUSTED_PROXIES, or remove it";
            let what = "has no effect without a proxy that reports the scheme";
            self.report.add("HARDPOINT_HTTPS_HOSTS", what, remedy);
        }
    }

    pub(super) fn refuse_what_is_unknown(&mut self) {
        self.report.extend(self.environment.unknown("HARDPOINT_", KNOWN));
    }

    /// Returns the exporter of telemetry, or `None` if a variable of it is wrong.
    pub(super) fn otlp(&mut self) -> Option<OtlpBuilder> {
        self.report.extend(self.environment.unknown("OTEL_", otlp::VARIABLES));
        let values = otlp::VARIABLES.map(|name| Some((name, self.text(name)?)));
        let read = OtlpBuilder::from_variables(values.into_iter().flatten());
        let mistakes = |error: otlp::ConfigError| {
            for mistake in error.mistakes() {
                let [what, remedy] = [mistake.what(), mistake.remedy()].map(str::to_owned);
                self.report.add(mistake.variable(), what, remedy);
            }
        };
        read.map_err(mistakes).ok()
    }
}
