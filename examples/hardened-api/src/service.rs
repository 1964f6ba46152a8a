//! Starting, serving and draining.

use std::{
    error::Error,
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
};

use hardpoint::{
    health::{Check, Checks, Down, Lifecycle, builtin, serve},
    observability::{Logs, LogsHandle, Metrics, MetricsBuilder, metrics::tokio::runtime},
};
use tokio::runtime::Handle;

use crate::{
    accounts::Accounts,
    admin,
    routes::{self, App},
    settings::{Env, Settings},
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

async fn serve(settings: Settings) -> Result<ExitCode, Box<dyn Error>> {
    let logs = match settings.env {
        Env::Dev => Logs::human(),
        Env::Prod => Logs::json("hardened-api")
            .version(env!("CARGO_PKG_VERSION"))
            .environment(settings.env.as_str()),
    };
    let logs = logs.filter(settings.log.as_str()).init()?;
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

    let mut metrics = declare_metrics(&logs);
    let telemetry = metrics.telemetry();
    let accounts = Arc::new(Accounts::default());
    let lifecycle = Lifecycle::builder()
        .telemetry(&telemetry)
        .checks(checks(Arc::clone(&accounts))?)
        .drain_delay(settings.drain_delay)
        .drain_deadline(settings.drain_deadline)
        .flush_logs(move |within| logs.flush(within))
        .build()?;
    let (app, verifier) = App::new(&settings, accounts, &telemetry, &mut metrics)?;
    let router = routes::router(app, verifier, &settings, &lifecycle, &telemetry)?;
    let metrics = metrics.build()?;

    // Not drained: probes are served until the process ends.
    let _admin = admin::serve(admin, &settings, &lifecycle, &metrics)?;
    lifecycle.started();
    public.service(router).run(&lifecycle).await
}

/// Declares what is measured about the process. The layers and the handlers add theirs.
fn declare_metrics(logs: &LogsHandle) -> MetricsBuilder {
    let mut metrics = Metrics::builder();
    let version = env!("CARGO_PKG_VERSION");
    metrics.target_info(&[("service_name", "hardened-api"), ("service_version", version)]);
    metrics.logs(logs);
    metrics.process();
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

fn checks(accounts: Arc<Accounts>) -> Result<Checks, Box<dyn Error>> {
    let store = Check::new("accounts", move || {
        let full = accounts.is_full();
        async move { if full { Err(Down::new("full")) } else { Ok(()) } }
    });
    Ok(Checks::builder()
        .add_check(store)
        .add_check(Check::new("files", builtin::open_files(90)))
        .add_check(Check::new("memory", builtin::cgroup_memory(95)))
        .build()?)
}
