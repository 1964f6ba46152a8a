//! All settings, read once at start. All mistakes are reported at once.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hardpoint::{
    auth::{
        KeyError, KeySet, SigningKey, VerifyingKey,
        one_time::{LinkBase, smtp::SmtpDelivery},
        password::PepperRing,
        session::{RootSecret, Rotation},
    },
    core::{ClientResolver, Family, Secret, TrustedProxies},
    edge::CorsLayer,
    health::Lifecycle,
    observability::{
        Logs,
        otlp::{self, OtlpBuilder},
    },
    ratelimit::Quota,
    redis::{DigestKey, Redis},
    secrets::{Environment, Finding, Mode, Report, Secrets, Spec},
};

use crate::mail::MailSettings;

/// All variables that begin with `HARDPOINT_`. Any other is a mistake.
const KNOWN: [&str; 26] = [
    "HARDPOINT_ADMIN_LISTEN",
    "HARDPOINT_ADMIN_TOKEN",
    "HARDPOINT_ADMIN_TOKEN_FILE",
    "HARDPOINT_CORS_ORIGINS",
    "HARDPOINT_DRAIN_DEADLINE",
    "HARDPOINT_DRAIN_DELAY",
    "HARDPOINT_ENV",
    "HARDPOINT_FORWARDED",
    "HARDPOINT_LISTEN",
    "HARDPOINT_LOG",
    "HARDPOINT_LOGIN_RATE_LIMIT",
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

const REDIS_URL: &str = "HARDPOINT_REDIS_URL";
const ADMIN_TOKEN: &str = "HARDPOINT_ADMIN_TOKEN";
const SMTP_URL: &str = "HARDPOINT_SMTP_URL";
const PUBLIC_URL: &str = "HARDPOINT_PUBLIC_URL";
const ROOT: &str = "HARDPOINT_ROOT_SECRET";
const PREVIOUS_ROOT: &str = "HARDPOINT_ROOT_SECRET_PREVIOUS";
const PEPPERS: &str = "HARDPOINT_PEPPERS";

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
    pub(crate) rate_limit: Option<Quota>,
    pub(crate) subject_rate_limit: Option<Quota>,
    pub(crate) sign_up_rate_limit: Quota,
    pub(crate) log_in_rate_limit: Quota,
    pub(crate) refresh_grace: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) drain_deadline: Duration,
    pub(crate) log: String,
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
        let mut reader = Reader { environment, report: Report::new() };
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
            log: reader.parsed("HARDPOINT_LOG", "info".to_owned(), log_filter),
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

/// Collects mistakes instead of stopping at the first.
struct Reader<'e> {
    environment: &'e Environment,
    report: Report,
}

impl Reader<'_> {
    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.environment.get(name).map(|value| value.map(str::to_owned));
        self.report.collect(value).flatten()
    }

    /// Returns the value, or the default if the variable is unset or invalid.
    fn parsed<T>(
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

    fn resolver(&mut self) -> ClientResolver {
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
    fn cors_origins(&mut self, env: Env) -> Vec<String> {
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

    fn secrets(&mut self, env: Env) -> Option<Secrets> {
        let mode = if env == Env::Prod { Mode::Strict } else { Mode::Lenient };
        let make_key = "take the output of `openssl genpkey -algorithm ed25519`";
        let loaded = Secrets::loader(self.environment)
            .mode(mode)
            .empty_is_absent()
            .add_spec(Spec::text(ADMIN_TOKEN).min_bytes(16).optional())
            .add_spec(Spec::pem("JWT_SIGNING_KEY").required_when_strict().hint(make_key))
            .add_spec(Spec::pem("JWT_PREVIOUS_KEYS").optional())
            .add_spec(Spec::base64(ROOT).min_bytes(32).required_when_strict())
            .add_spec(Spec::base64(PREVIOUS_ROOT).min_bytes(32).optional())
            .add_spec(Spec::text(PEPPERS).optional())
            .add_spec(Spec::text(SMTP_URL).optional())
            .load();
        self.report.collect(loaded)
    }

    /// Returns the configured keys, with a generated signing key if none is set, or `None` if one
    /// is invalid.
    fn keys(&mut self, secrets: Option<&Secrets>) -> Option<Keys> {
        const SIGNING: &str = "JWT_SIGNING_KEY";
        const PREVIOUS: &str = "JWT_PREVIOUS_KEYS";

        let pem = |name| secrets.and_then(|secrets| secrets.text(name));
        let given = pem(SIGNING).map(|pem| SigningKey::from_pem(pem.expose()));
        let previous = pem(PREVIOUS).map(|pem| VerifyingKey::all_from_pem(pem.expose()));
        let generated = given.is_none();
        let signing = self.key(SIGNING, given.unwrap_or_else(SigningKey::generate));
        let previous = previous.map_or_else(|| Some(Vec::new()), |read| self.key(PREVIOUS, read));
        if let (Some(signing), Some(previous)) = (&signing, &previous) {
            let all = previous.iter().cloned().chain([signing.verifying_key()]);
            if let Err(error) = KeySet::new(all) {
                self.report.add(PREVIOUS, format!("makes no key set: {error}"), "remove that key");
            }
        }
        Some(Keys { signing: Arc::new(signing?), generated, previous: previous? })
    }

    /// Returns the configured root secret, or a generated one if none is set; `None` if the system
    /// provides no randomness.
    fn root(&mut self, secrets: Option<&Secrets>) -> Option<Root> {
        let bytes = |name| secrets.and_then(|secrets| secrets.bytes(name));
        let copied = |secret: &Arc<Secret<[u8]>>| Secret::from(secret.expose());
        let given = bytes(ROOT).map(copied);
        let generated = given.is_none();
        let secret = given.or_else(|| {
            let random = Secret::<[u8; 32]>::from_fill(|bytes| getrandom::fill(bytes));
            let failed = |_| self.report.add(ROOT, "cannot be generated", "set it");
            Some(Secret::from(random.map_err(failed).ok()?.expose().as_slice()))
        })?;
        let current = RootSecret::new(secret);
        let all = match bytes(PREVIOUS_ROOT).map(copied) {
            Some(previous) => current.and_then(|current| current.previous(previous)),
            None => current,
        };
        let too_short = |error| self.report.add(ROOT, format!("is refused: {error}"), "replace it");
        Some(Root { secret: all.map_err(too_short).ok()?, generated })
    }

    /// Returns the peppers, or `None` if none are set or they cannot be used.
    fn peppers(&mut self, secrets: Option<&Secrets>) -> Option<PepperRing> {
        let secrets = secrets?;
        let read = PepperRing::parse(secrets.text(PEPPERS)?);
        let refused = |error| {
            let remedy =
                "write `id:secret`, the current one first, each as from `openssl rand -base64 32`";
            self.report.add(PEPPERS, format!("is refused: {error}"), remedy);
        };
        let peppers = read.map_err(refused).ok()?;
        for root in [ROOT, PREVIOUS_ROOT] {
            if secrets.bytes(root).is_some_and(|secret| peppers.contains(secret)) {
                let what = format!("has the secret of {root}, which is replaced after a leak");
                self.report.add(PEPPERS, what, "write a secret of its own: a pepper must be kept");
            }
        }
        Some(peppers)
    }

    /// Returns the token of the admin listener, which is required if other hosts can reach it.
    fn admin_token(
        &mut self,
        secrets: Option<&Secrets>,
        listen: SocketAddr,
    ) -> Option<Arc<Secret<str>>> {
        // If the secrets cannot be read, the report already contains the reason.
        let token = secrets?.text(ADMIN_TOKEN);
        if token.is_none() && !listen.ip().to_canonical().is_loopback() {
            let what = format!("is required, because HARDPOINT_ADMIN_LISTEN is {listen}");
            let remedy = "set it to a random text, such as the output of `openssl rand -base64 32`";
            self.report.add(ADMIN_TOKEN, what, remedy);
        }
        token.cloned()
    }

    fn key<T>(&mut self, name: &str, read: Result<T, KeyError>) -> Option<T> {
        let found =
            read.map_err(|error| self.report.add(name, format!("is {error}"), "replace it"));
        found.ok()
    }

    /// Returns the server that instances share, or `None` if none is set or it cannot be used.
    fn shared(&mut self, env: Env, secrets: Option<&Secrets>) -> Option<SharedState> {
        let url = Secret::<str>::from(self.text(REDIS_URL)?);
        if let Err(error) = Redis::builder(url.expose()).check() {
            self.report.add(REDIS_URL, format!("is refused: {error}"), "correct it");
        }
        let secrets = secrets?;
        // In production they are required anyway.
        let missing = [
            ("JWT_SIGNING_KEY", secrets.text("JWT_SIGNING_KEY").is_none()),
            (ROOT, secrets.bytes(ROOT).is_none()),
        ];
        for (name, _) in missing.iter().filter(|(_, missing)| *missing && env == Env::Dev) {
            let what = format!("is shared, but each instance would generate a {name} of its own");
            self.report.add(REDIS_URL, what, format!("set {name} to the same value for all"));
        }
        let digests = |name| secrets.bytes(name).map(|secret| DigestKey::derive(secret).ok());
        Some(SharedState {
            url,
            digests: digests(ROOT)??,
            previous: digests(PREVIOUS_ROOT).flatten(),
        })
    }

    /// Returns how messages are delivered, or `None` if that is not set or cannot be used. One of the
    /// two settings needs the other.
    fn mail(&mut self, secrets: Option<&Secrets>) -> Option<MailSettings> {
        let base = self.text(PUBLIC_URL).map(|url| LinkBase::new(&url));
        // If the secrets cannot be read, the report already contains the reason.
        let url = secrets?.text(SMTP_URL).map(|url| Secret::<str>::from(url.expose()));
        for (is_missing, set, missing) in [
            (base.is_some() && url.is_none(), PUBLIC_URL, SMTP_URL),
            (url.is_some() && base.is_none(), SMTP_URL, PUBLIC_URL),
        ] {
            if is_missing {
                let what = "has no effect by itself";
                self.report.add(set, what, format!("set {missing} too, or unset it"));
            }
        }
        let base = base?.map_err(|error| {
            let remedy = "write https://host of the site that users visit";
            self.report.add(PUBLIC_URL, format!("is refused: {error}"), remedy);
        });
        let mail = MailSettings { url: url?, base: base.ok()? };
        let usable = SmtpDelivery::new(&mail.url, &mail.sender());
        let refused =
            |error| self.report.add(SMTP_URL, format!("is refused: {error}"), "correct it");
        usable.map_err(refused).ok().map(|_| mail)
    }

    fn refuse_what_is_unknown(&mut self) {
        self.report.extend(self.environment.unknown("HARDPOINT_", KNOWN));
    }

    /// Returns the exporter of telemetry, or `None` if a variable of it is wrong.
    fn otlp(&mut self) -> Option<OtlpBuilder> {
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

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn env(text: &str) -> Result<Env, String> {
    match text {
        "dev" => Ok(Env::Dev),
        "prod" => Ok(Env::Prod),
        _ => Err("write `dev` or `prod`".to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:3000".to_owned())
}

fn optional_quota(text: &str) -> Result<Option<Quota>, String> {
    match text {
        "off" => Ok(None),
        _ => quota(text).map(Some).map_err(|remedy| format!("{remedy}, or `off`")),
    }
}

fn quota(text: &str) -> Result<Quota, String> {
    text.parse()
        .map_err(|_| "write CELLS/PERIOD or CELLS/PERIOD:BURST, such as 200/1s:400".to_owned())
}

/// Parses the drain deadline, which must leave time for the drain to settle.
fn drain_deadline(text: &str) -> Result<Duration, String> {
    let deadline = duration(text)?;
    let possible = Lifecycle::builder().drain_deadline(deadline).build();
    possible.map(|_| deadline).map_err(|error| format!("fix it: {error}"))
}

/// Parses the grace of refresh tokens; `0` disables it.
fn grace(text: &str) -> Result<Duration, String> {
    let grace = if text == "0" { Duration::ZERO } else { duration(text)? };
    if grace > Rotation::MAX_GRACE {
        return Err("write at most 60s: a thief who is as fast is not noticed".to_owned());
    }
    Ok(grace)
}

fn log_filter(text: &str) -> Result<String, String> {
    let checked = Logs::human().filter(text).check();
    checked.map(|()| text.to_owned()).map_err(|error| format!("fix it: {error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a duration, such as 500ms, 5s or 1m".to_owned())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Report> {
        Settings::read(&Environment::from_iter(variables.iter().copied()))
    }

    #[test]
    fn nothing_needs_to_be_set_in_development() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.env, Env::Dev);
        assert_eq!(settings.rate_limit, Some(Quota::per_second(200).burst(400)));
        assert!(settings.keys.generated);
        assert_eq!(settings.drain_delay, Duration::ZERO);
    }

    #[test]
    fn production_needs_its_secrets_and_lists_all_that_is_wrong() {
        let report = read(&[
            ("HARDPOINT_ENV", "prod"),
            ("HARDPOINT_LISTEN", "localhost"),
            ("HARDPOINT_RATE_LIMIT", "many"),
            ("HARDPOINT_REDIS_URL", "http://127.0.0.1"),
            ("HARDPOINT_REFRESH_GRACE", "61s"),
            ("HARDPOINT_TRUSTED_PROXIES", "10.0.0.0/8, 0.0.0.0/0"),
            ("HARDPOINT_LSITEN", "127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_TIMEOUTS", "10"),
        ])
        .unwrap_err();
        let text = report.to_string();
        for name in [
            "JWT_SIGNING_KEY",
            "HARDPOINT_ROOT_SECRET",
            "HARDPOINT_LISTEN",
            "HARDPOINT_RATE_LIMIT",
            "HARDPOINT_REDIS_URL",
            "HARDPOINT_REFRESH_GRACE",
            "HARDPOINT_TRUSTED_PROXIES",
            "HARDPOINT_LSITEN",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TIMEOUTS",
        ] {
            assert!(text.lines().any(|line| line.contains(name)), "{name} is missing in\n{text}");
        }
        assert_eq!(report.len(), 10, "{text}");
    }

    #[test]
    fn a_bad_key_hides_nothing_else() {
        let report = read(&[
            ("JWT_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
            ("HARDPOINT_REDIS_URL", "redis://127.0.0.1"),
            ("HARDPOINT_LSITEN", "127.0.0.1:1"),
            ("HARDPOINT_DRAIN_DEADLINE", "0s"),
        ])
        .unwrap_err();
        assert_eq!(report.len(), 4, "{report}");
    }

    #[test]
    fn a_key_that_signs_is_no_previous_key() {
        let pem = SigningKey::generate_pem().unwrap();
        let both = [("JWT_SIGNING_KEY", pem.expose()), ("JWT_PREVIOUS_KEYS", pem.expose())];
        let report = read(&both).unwrap_err().to_string();
        assert!(report.contains("JWT_PREVIOUS_KEYS"), "{report}");
    }

    #[test]
    fn keys_are_read_and_bad_ones_are_named_without_being_shown() {
        let pem = SigningKey::generate_pem().unwrap();
        let previous = SigningKey::generate_pem().unwrap();
        let settings =
            read(&[("JWT_SIGNING_KEY", pem.expose()), ("JWT_PREVIOUS_KEYS", previous.expose())])
                .unwrap();
        assert!(!settings.keys.generated);
        assert_eq!(settings.keys.previous.len(), 1);
        let broken = pem.expose().replace("MC4CAQ", "AAAAAA");
        let report = read(&[("JWT_SIGNING_KEY", &broken)]).unwrap_err().to_string();
        assert!(report.contains("JWT_SIGNING_KEY"), "{report}");
        assert!(!report.contains("AAAAAA"), "{report}");
    }

    #[test]
    fn a_root_secret_is_read_with_its_predecessor_and_generated_in_development() {
        let base64 = |byte: u8| STANDARD.encode((0..32).map(|n| n * 7 + byte).collect::<Vec<u8>>());
        let (current, previous) = (base64(1), base64(2));
        assert!(read(&[]).unwrap().root.generated);
        let settings = read(&[(ROOT, &current), (PREVIOUS_ROOT, &previous)]).unwrap();
        assert!(!settings.root.generated);
        let report = read(&[(PREVIOUS_ROOT, "c2hvcnQ=")]).unwrap_err().to_string();
        assert!(report.contains(PREVIOUS_ROOT) && !report.contains("c2hvcnQ"), "{report}");
    }

    #[test]
    fn the_grace_of_refresh_tokens_can_be_switched_off() {
        let grace = |text| read(&[("HARDPOINT_REFRESH_GRACE", text)]).map(|s| s.refresh_grace);
        assert_eq!(read(&[]).unwrap().refresh_grace, Duration::from_secs(10));
        assert_eq!(grace("0").unwrap(), Duration::ZERO);
        assert_eq!(grace("0s").unwrap(), Duration::ZERO);
        assert_eq!(grace("500ms").unwrap(), Duration::from_millis(500));
        for bad in ["61s", "1h", "soon", ""] {
            assert!(grace(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_limit_can_be_switched_off_and_every_duration_is_readable() {
        let settings = read(&[
            ("HARDPOINT_RATE_LIMIT", "off"),
            ("HARDPOINT_SUBJECT_RATE_LIMIT", "5/1m"),
            ("HARDPOINT_DRAIN_DELAY", "250ms"),
            ("HARDPOINT_DRAIN_DEADLINE", "1m"),
        ])
        .unwrap();
        assert_eq!(settings.rate_limit, None);
        assert_eq!(settings.subject_rate_limit, Some(Quota::per_minute(5)));
        assert_eq!(settings.drain_delay, Duration::from_millis(250));
        assert_eq!(settings.drain_deadline, Duration::from_secs(60));
    }
}
