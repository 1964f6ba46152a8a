//! What a link is built from.

use std::{fmt, num::NonZeroU32, str::FromStr as _, time::Duration};

use hardpoint_core::{Secret, Telemetry};
use redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion};

use crate::{ConfigError, Redis, Script, endpoint::Endpoint, link::Settings};

/// Builds a [`Redis`] link. Created by [`Redis::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct RedisBuilder {
    source: Source,
    settings: Settings,
}

enum Source {
    Client(Box<ConnectionInfo>),
    Url(Secret<str>),
}

impl RedisBuilder {
    pub(crate) fn from_url(url: &str) -> Self {
        Self { source: Source::Url(url.into()), settings: Settings::default() }
    }

    pub(crate) fn from_client(client: &redis::Client) -> Self {
        let info = client.get_connection_info().clone();
        Self { source: Source::Client(Box::new(info)), settings: Settings::default() }
    }

    /// Sets how long a command may take, from its submission to its answer. Default: 25 ms, which
    /// covers a server in the same region and keeps a request's added latency bounded while the
    /// server hangs. 0 and more than an hour are refused.
    ///
    /// The link counts as down while the server answers more slowly than this. A longer deadline
    /// lets requests wait longer whenever the server stops or the connection is lost: each waits at
    /// most one deadline, and only those that begin within one deadline of it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Sets how long one attempt to connect may take: name, TCP, TLS, authentication and loading of
    /// scripts. Default: 500 ms. 0 and more than an hour are refused.
    ///
    /// It also bounds the time between attempts while the server is unreachable, so a longer one
    /// delays the discovery that the server is back.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// Sets how many commands may wait for the connection, and as many again may wait for their
    /// answers. Default: 1,024. A command beyond them fails at once as
    /// [`Overloaded`](crate::ErrorKind::Overloaded). Each costs its own bytes and about 200 more.
    pub fn queue(mut self, commands: NonZeroU32) -> Self {
        self.settings.queue = commands;
        self
    }

    /// Sets the first part of every key. Default: `hardpoint`. Services that share a database need
    /// different prefixes; instances of one service need the same.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// Sets the name of this link in events and logs. Default: `redis`. A service with several
    /// links gives each its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Adds a script that the link loads whenever it connects, so that its first call finds it.
    /// Scripts that are not added are loaded when the server turns out not to have them, at the
    /// price of two more round trips for that call.
    pub fn add_script(mut self, script: &Script) -> Self {
        self.settings.scripts.push(script.text());
        self
    }

    /// Sets where events go: changes of state, and one event for each command. Default: nowhere.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.settings.telemetry = telemetry.clone();
        self
    }

    /// Checks the settings without building a link: for a program that reads all of its settings
    /// before it starts anything.
    ///
    /// # Errors
    /// A [`ConfigError`] if a setting is not usable.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.settings.check()?;
        self.source.info().map(|_| ())
    }

    /// Builds the link and lets it connect in the background. Never waits for the server.
    ///
    /// Within a tokio runtime, the link runs as a task of that runtime and ends with it. Elsewhere,
    /// it runs on a thread of its own until the last clone is dropped. Either way, its commands can
    /// be awaited in any runtime.
    ///
    /// # Errors
    /// A [`ConfigError`] if a setting is not usable or the thread cannot be started. A server that
    /// cannot be reached is not an error here: the link reports it and tries again.
    pub fn build(self) -> Result<Redis, ConfigError> {
        let Self { source, settings } = self;
        settings.check()?;
        let is_plain = matches!(source, Source::Url(_));
        let (info, keep_protocol) = source.info()?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            prepare_tls();
        }
        Redis::start(Endpoint::new(info, keep_protocol, is_plain), settings)
    }
}

impl Source {
    /// What to connect to, and whether the URL names the protocol.
    fn info(&self) -> Result<(ConnectionInfo, bool), ConfigError> {
        match self {
            Self::Client(info) => Ok((info.as_ref().clone(), false)),
            Self::Url(url) => Ok((parse(url.expose())?, url.expose().contains("protocol="))),
        }
    }
}

impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Parses a URL of redis-rs, and refuses what would fail at the first connection.
fn parse(url: &str) -> Result<ConnectionInfo, ConfigError> {
    let refused = |reason| ConfigError::Url { url: redact(url), reason };
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(refused("it has no scheme"));
    };
    let tls = matches!(scheme, "rediss" | "valkeys");
    if !tls && !matches!(scheme, "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix") {
        return Err(refused("its scheme is not redis, rediss, valkey, valkeys or unix"));
    }
    if tls && cfg!(not(feature = "tls")) {
        return Err(ConfigError::TlsFeature { url: redact(url) });
    }
    if tls && rest.ends_with("#insecure") {
        return Err(refused(
            "`#insecure` would accept any certificate; name the CA's file in SSL_CERT_FILE instead",
        ));
    }
    ConnectionInfo::from_str(url).map_err(|error| {
        // Their texts are constants: they never contain a part of the URL.
        refused(match error.detail() {
            Some(_) => "its query is not usable",
            None => reason(&error.to_string()),
        })
    })
}

/// The words for redis-rs's own.
fn reason(theirs: &str) -> &'static str {
    [
        ("wildcard", "0.0.0.0 and [::] are no addresses to connect to"),
        ("hostname", "it has no host"),
        ("database", "its database is not a number"),
        ("Username", "its user is not UTF-8"),
        ("Password", "its password is not UTF-8"),
        ("path", "it has no path"),
    ]
    .into_iter()
    .find_map(|(word, reason)| theirs.contains(word).then_some(reason))
    .unwrap_or("it does not parse")
}

/// The URL without its password. It must work for URLs that do not parse, often because of the
/// password, so it removes too much rather than too little.
fn redact(url: &str) -> String {
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if is_name(scheme) => (Some(scheme), rest),
        _ => (None, url),
    };
    // The URL of a socket has no login: an `@` in it belongs to the path or to a value of the query.
    let is_socket = scheme.is_some_and(|scheme| scheme.ends_with("unix"));
    let rest = match rest.rsplit_once('@').filter(|_| !is_socket) {
        // The `@` ends a password with a `?`, or is part of a password in the query.
        Some((login, _)) if login.contains('?') => "***".to_owned(),
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            let user = if user.len() == login.len() { "" } else { user };
            format!("{user}:***@{host}")
        }
        None => redact_address(rest),
    };
    let rest = match rest.split_once('?') {
        Some((path, query)) => {
            let query = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name @ ("db" | "protocol" | "user"), value)) => format!("{name}={value}"),
                Some(("pass", _)) => "pass=***".to_owned(),
                // The rest of a password with a `&`, perhaps.
                _ => "***".to_owned(),
            });
            format!("{path}?{}", query.collect::<Vec<_>>().join("&"))
        }
        None => rest,
    };
    match scheme {
        Some(scheme) => format!("{scheme}://{rest}"),
        None => rest,
    }
}

/// What follows the scheme of a URL without a login. `user:password` without a host looks like an
/// address: what does not read as a port is a password.
fn redact_address(rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // The colons between the brackets of IPv6 come before no port.
    let bracket = if authority.starts_with('[') { authority.find(']').unwrap_or(0) } else { 0 };
    let Some(colon) = authority[bracket..].find(':').map(|at| bracket + at) else {
        return if authority.contains('@') { "***".to_owned() } else { rest.to_owned() };
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if host.is_empty() || port.parse::<u16>().is_err() {
        return format!("{host}:***");
    }
    // The port may be the first digits of a password, up to its `/` or `#`.
    let database = path.split('?').next().unwrap_or_default();
    if database.trim_start_matches('/').bytes().all(|byte| byte.is_ascii_digit()) {
        rest.to_owned()
    } else {
        format!("{host}:{port}/***")
    }
}

/// Makes sure that rustls has a provider of cryptography. With several compiled in, or none chosen,
/// rustls would panic at the first connection.
#[cfg(feature = "tls")]
fn prepare_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(not(feature = "tls"))]
fn prepare_tls() {}

/// What to connect with: the protocol that is asked for first, and nodelay. Without the library's
/// name, whose command an ACL would have to allow.
pub(crate) fn tuned(info: &ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    let login = info.redis_settings().clone().set_protocol(protocol).set_skip_set_lib_name();
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    info.clone().set_redis_settings(login).set_tcp_settings(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_url_shows_its_password() {
        for url in [
            "redis://user:hunter2@host:6379/0",
            "redis://:hunter2@host",
            "redis://hunter2@host",
            "redis://user:hunter2/with@slash@host:6379",
            "http://user:hunter2@host",
            "user:hunter2@host:6379",
            "unix:///run/redis.sock?db=x&user=app&pass=hunter2",
            "redis://user:hunter2@host/notanumber?protocol=9",
            "redis://user:hunter2@host:99999999",
            // Without a host.
            "redis://:hunter2",
            "redis://default:hunter2",
            "default:hunter2/",
            "redis://default:hunter2/0?protocol=9",
            "redis://default:hun/ter2",
            "redis://default:12/hunter2",
            "redis://default:12#hunter2",
            "redis://[::1]:hunter2",
            // With signs of the syntax within it.
            "unix:///run/redis.sock?db=x&pass=hun@ter2",
            "unix:///run/redis.sock?db=x&pass=hun&ter2=",
            "unix://hunter2@/run/redis.sock?db=x",
            "redis://host/x?pass=hun@ter2",
            "redis://user:hun?hunter2@host:port",
            "user:hunter2://host",
        ] {
            let error = RedisBuilder::from_url(url)
                .check()
                .err()
                .map(|e| (e.to_string(), format!("{e:?}")));
            if let Some((display, debug)) = error {
                assert!(!display.contains("ter2") && !debug.contains("ter2"), "{display} {debug}");
            } else {
                assert!(url.starts_with("redis://") && !redact(url).contains("ter2"), "{url}");
            }
        }
    }

    #[test]
    fn a_url_without_its_password_still_names_the_server() {
        for (url, shown) in [
            ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
            ("redis://hunter2@host", "redis://:***@host"),
            ("user:hunter2@host:6379", "user:***@host:6379"),
            ("redis://host:6379/1?protocol=resp3", "redis://host:6379/1?protocol=resp3"),
            ("redis://[::1]:6379", "redis://[::1]:6379"),
            ("redis://[::1]/0", "redis://[::1]/0"),
            ("redis://default:hunter2/0", "redis://default:***"),
            (
                "valkey+unix:///run/redis.sock?db=x&user=app&pass=hun@ter2",
                "valkey+unix:///run/redis.sock?db=x&user=app&pass=***",
            ),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }

    #[test]
    fn a_time_that_would_overflow_is_refused() {
        let longest = Duration::from_hours(1);
        let builder = || RedisBuilder::from_url("redis://host");
        assert_eq!(builder().deadline(longest).connect_timeout(longest).check(), Ok(()));
        for (setting, builder) in [
            ("deadline", builder().deadline(Duration::MAX)),
            ("deadline", builder().deadline(Duration::from_secs(3_601))),
            ("connect_timeout", builder().connect_timeout(Duration::MAX)),
            ("connect_timeout", builder().connect_timeout(Duration::from_secs(3_601))),
        ] {
            let error = builder.build().unwrap_err();
            assert!(matches!(error, ConfigError::TooLong { setting: of, .. } if of == setting));
            let error = error.to_string();
            assert!(error.starts_with(&format!("`{setting}`")), "{error}");
            assert!(error.contains("write at most 3600s"), "{error}");
        }
    }

    #[test]
    fn a_url_that_is_refused_names_the_value_and_what_is_wrong_with_it() {
        for (url, reason) in [
            ("redis.internal:6379", "no scheme"),
            ("http://redis.internal", "scheme is not"),
            ("redis://0.0.0.0", "no addresses"),
            ("redis://redis.internal/first", "not a number"),
            ("redis://redis.internal?protocol=resp9", "query"),
        ] {
            let error = RedisBuilder::from_url(url).check().unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(reason), "{error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_the_feature_is_refused() {
        let error = RedisBuilder::from_url("rediss://host").build().unwrap_err();
        assert!(matches!(error, ConfigError::TlsFeature { .. }), "{error:?}");
    }
}
