//! The export of traces, metrics and logs to a collector.

use std::{convert::Infallible, time::Duration};

use hardpoint::observability::otlp::{Otlp, StartError};

use crate::settings::Settings;

/// How long the last records may take at the end. The drain grants a little more.
const LAST: Duration = Duration::from_millis(1_500);
pub(crate) const END_WITHIN: Duration = Duration::from_secs(2);

/// Starts the exporter, which is off unless the standard variables name a collector.
pub(crate) fn start(settings: &mut Settings) -> Result<Otlp, StartError> {
    let environment = settings.env.as_str();
    match settings.otlp.take() {
        Some(otlp) => otlp
            .service("hardened-api")
            .version(env!("CARGO_PKG_VERSION"))
            .environment(environment)
            .span_targets([env!("CARGO_CRATE_NAME")])
            .start(),
        None => Ok(Otlp::off()),
    }
}

/// Sends the remaining records. The exporter logs and counts lost ones, so this does not fail.
pub(crate) async fn end(otlp: Otlp) -> Result<(), Infallible> {
    let _all_sent = otlp.shutdown(LAST).await;
    Ok(())
}
