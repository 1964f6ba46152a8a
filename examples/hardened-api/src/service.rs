//! Starting, serving and draining.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use hardpoint::{
    health::{Check, Checks, Down, Lifecycle, builtin, serve},
    observability::{
        LogsHandle, Metrics, MetricsBuilder,
        metrics::{Unit, tokio::runtime},
        otlp::Otlp,
    },
};
use tokio::runtime::Handle;

use crate::{
    accounts::Accounts,
    admin, log_filter, logging,
    mail::{self, Mail},
    operator,
    quote::{Quotes, Upstream},
    routes::{self, App, Seen},
    settings::Settings,
    stores::Server,
    telemetry,
};

/// Serves until a signal arrives and returns the exit code of the process.
pub(crate) async fn run(settings: Settings) -> ExitCode {
    match serve(settings).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hardened-api cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(mut settings: Settings) -> Result<ExitCode, Box<dyn Error>> {
    let otlp = telemetry::start(&mut settings)?;
    let logs = logging::start(&settings.log, settings.env, &otlp)?;
    let public = serve::Server::bind(settings.listen)
        .await?
        .trusted_proxies(settings.resolver.trusted_proxies().clone());
    let admin = listen(settings.admin_listen)?;
    tracing::info!(
        address = %public.local_addr()?,
        admin_address = %admin.local_addr()?,
        "listening"
    );
    warn(&settings);

    let mut metrics = declare_metrics(&logs, &otlp, public.refused());
    let telemetry = metrics.telemetry();
    let shared = Server::connect(&settings, &telemetry)?;
    let accounts = Arc::new(Accounts::new(shared.as_ref()));
    let upstream = Upstream::start().await?;
    let quotes = Quotes::new(&upstream, &telemetry, &otlp)?;
    let last_lines = logs.clone();
    let lifecycle = Lifecycle::builder()
        .telemetry(&telemetry)
        .checks(checks(Arc::clone(&accounts), &quotes, shared.as_ref())?)
        .drain_delay(settings.drain_delay)
        .drain_deadline(settings.drain_deadline)
        .flush_logs(move |within| last_lines.flush(within));
    let lifecycle = match shared.clone() {
        // Requests that held cells have ended by then, and the server learns how.
        Some(server) => lifecycle.add_hook("limits", Duration::from_millis(500), async move || {
            server.flush().await;
            Ok::<(), Infallible>(())
        }),
        None => lifecycle,
    };
    let mail = Mail::new(&settings, shared.as_ref(), &telemetry)?;
    let outgoing = mail.clone();
    let lifecycle =
        lifecycle.add_hook("mail", mail::END_WITHIN, async move || outgoing.flush().await);
    let last = otlp.clone();
    let lifecycle = lifecycle
        .add_hook("telemetry", telemetry::END_WITHIN, move || telemetry::end(last))
        .build()?;
    let (app, verifier) =
        App::new(&settings, accounts, mail, shared.as_ref(), &telemetry, &mut metrics)?;
    let operators = operator::routes(Arc::clone(&app)).merge(log_filter::route(logs));
    let seen = Seen { lifecycle: &lifecycle, telemetry: &telemetry, otlp: &otlp };
    let router = routes::router(app, quotes, verifier, &settings, shared.as_ref(), seen)?;
    let metrics = metrics.build()?;
    otlp.metrics(&metrics);

    // Not drained: probes are served until the process ends.
    let _admin = admin::serve(admin, &settings, &lifecycle, &metrics, &upstream, operators)?;
    lifecycle.started();
    public.service(router).run(&lifecycle).await
}

/// Declares what is measured about the process. The layers and the handlers add theirs.
fn declare_metrics(logs: &LogsHandle, otlp: &Otlp, refused: serve::Refused) -> MetricsBuilder {
    let mut metrics = Metrics::builder();
    let version = env!("CARGO_PKG_VERSION");
    metrics.target_info(&[("service_name", "hardened-api"), ("service_version", version)]);
    metrics.logs(logs);
    metrics.otlp(otlp);
    metrics.process();
    // By all causes. The log names them, with the setting of each.
    let count = move || serve::Cause::ALL.map(|cause| refused.count(cause)).iter().sum::<u64>();
    metrics.observed_counter(
        "http_server_refused_total",
        Unit::NONE,
        "Connections and requests that the server refused before a layer did.",
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 refusals")]
        move || count() as f64,
    );
    runtime(&mut metrics, &Handle::current());
    metrics
}

/// Binds the admin listener before the checks start, so that the first line has its address.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

fn warn(settings: &Settings) {
    for warning in &settings.warnings {
        tracing::warn!(setting = warning.name(), "{warning}");
    }
    if settings.root.generated {
        tracing::warn!(
            "deriving keys from a generated secret: sessions end when this process ends"
        );
    }
    if settings.keys.generated {
        tracing::warn!(
            key_id = settings.keys.signing.key_id(),
            "signing with a generated key: tokens become invalid when this process ends"
        );
    }
}

fn checks(
    accounts: Arc<Accounts>,
    quotes: &Quotes,
    server: Option<&Server>,
) -> Result<Checks, Box<dyn Error>> {
    let store = Check::new("accounts", move || {
        let full = accounts.is_full();
        async move { if full { Err(Down::new("full")) } else { Ok(()) } }
    });
    let mut checks = Checks::builder()
        .add_check(store)
        .add_check(quotes.check())
        .add_check(Check::new("files", builtin::open_files(90)))
        .add_check(Check::new("memory", builtin::cgroup_memory(95)));
    if let Some(server) = server {
        let redis = server.redis.clone();
        let check = Check::new("redis", move || {
            let redis = redis.clone();
            async move {
                let checked = redis.check().await;
                checked.map_err(|error| Down::new(error.kind().as_str()).caused_by(error))
            }
        });
        // It degrades the service: without the server, limits still hold within each instance. The
        // link decides by itself when it is down, so that one failure is enough.
        let second = Duration::from_secs(1);
        let check = check.every(second).timeout(second / 2).fail_after(1).recover_after(1);
        checks = checks.add_check(check);
    }
    Ok(checks.build()?)
}
