//! An axum service that uses every hardpoint crate.
//!
//! `cargo run -p hardened-api` serves it without any other software installed. `cargo run -p
//! hardened-api -- tour` starts it, drives it over real HTTP and prints what each scene showed. `--
//! token` makes and checks keys and tokens, `-- admin` helps users of a running instance. The project's README lists the routes and the
//! variables.

mod accounts;
mod admin;
mod api_keys;
mod ids;
mod lockout;
mod log_filter;
mod logging;
mod mail;
mod notes;
mod operator;
mod passwords;
mod quote;
mod recovery;
mod routes;
mod service;
mod session;
mod settings;
mod stores;
mod telemetry;
mod token;
mod tour;
mod trace_test;

use std::process::ExitCode;

use hardpoint::secrets::Environment;
use tokio::runtime::Builder;

/// The command line is invalid (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Option<Vec<&str>> = arguments.iter().map(|text| text.to_str()).collect();
    match arguments.as_deref().unwrap_or(&["not UTF-8"]) {
        [] | ["serve"] => serve(),
        ["admin", rest @ ..] => block_on(operator::run(rest)),
        ["tour"] => block_on(tour::run()),
        ["token", rest @ ..] => token::run(rest),
        _ => {
            eprintln!("usage: hardened-api [serve | tour | token .. | admin ..]");
            ExitCode::from(USAGE)
        }
    }
}

fn serve() -> ExitCode {
    // The environment contains secrets, so it is wiped as soon as the settings are read.
    let settings = settings::Settings::read(&Environment::from_process());
    match settings {
        Ok(settings) => block_on(service::run(settings)),
        Err(report) => {
            eprintln!("{report}");
            report.exit_code()
        }
    }
}

fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    // On one processor, a scheduler for several threads only adds to the work, and serves the
    // connections that are busiest before the others.
    let mut builder = match std::thread::available_parallelism() {
        Ok(processors) if processors.get() > 1 => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(work)
}
