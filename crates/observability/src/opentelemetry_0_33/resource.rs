use std::{error::Error, fmt};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{ResourceDetector as _, TelemetryResourceDetector},
};

use crate::{Logs, pairs};

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The resource of the SDK's spans, metrics and logs, with the same service as the lines of `logs`:
/// `service.name`, `service.version` and `deployment.environment.name`. [`Logs::human`] names no
/// service; `service.name` is then `unknown_service`.
///
/// Of these variables, usually [`std::env::vars`], `OTEL_RESOURCE_ATTRIBUTES` overrides `logs`, and
/// `OTEL_SERVICE_NAME` overrides both. Others are ignored, and an empty value counts as unset.
///
/// # Errors
/// [`ParseAttributesError`] if `OTEL_RESOURCE_ATTRIBUTES` is malformed. The SDK's own detector
/// ignores malformed parts and does not decode values.
pub fn resource<N, V>(
    logs: &Logs,
    variables: impl IntoIterator<Item = (N, V)>,
) -> Result<Resource, ParseAttributesError>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut attributes = vec![KeyValue::new("service.name", "unknown_service")];
    attributes.extend(logs.service().map(|(key, value)| KeyValue::new(key, value.to_owned())));
    let mut name = None;
    for (variable, value) in variables {
        let value = value.as_ref().trim();
        match variable.as_ref() {
            ATTRIBUTES => {
                let pairs = pairs::parse(value).map_err(ParseAttributesError)?;
                let pairs =
                    pairs.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value));
                attributes.extend(pairs);
            }
            SERVICE_NAME if !value.is_empty() => {
                name = Some(KeyValue::new("service.name", value.to_owned()));
            }
            _ => {}
        }
    }
    attributes.extend(name);
    // The last value of a key counts.
    let sdk = TelemetryResourceDetector.detect();
    let sdk = sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let builder = Resource::builder_empty().with_attributes(attributes);
    Ok(builder.with_attributes(sdk).build())
}

/// `OTEL_RESOURCE_ATTRIBUTES` is not a list of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseAttributesError(String);

impl fmt::Display for ParseAttributesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ATTRIBUTES} is not a list of attributes: {}; {}", self.0, pairs::REMEDY)
    }
}

impl Error for ParseAttributesError {}
