//! The service that writes the log, as its lines name it.

use super::{
    line::{Format, Scratch},
    value::Value,
};

/// The service that writes the log.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) environment: Option<String>,
}

impl Resource {
    /// Its attributes, named by the semantic conventions.
    #[cfg(feature = "opentelemetry_0_33")]
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [
            ("service.version", &self.version),
            ("deployment.environment.name", &self.environment),
        ];
        let optional =
            optional.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        std::iter::once(("service.name", self.service.as_str())).chain(optional)
    }

    /// Encodes the part of a JSON line that names the service: `,"service":"orders",...`.
    pub(super) fn encode(&self) -> String {
        let mut scratch = Scratch::default();
        let mut line = scratch.part(Format::Json);
        for (name, value) in [
            (",\"service\":", Some(&self.service)),
            (",\"version\":", self.version.as_ref()),
            (",\"environment\":", self.environment.as_ref()),
        ] {
            line.raw(name);
            line.value(value.map_or(Value::Null, |value| Value::Text(value)));
        }
        scratch.text
    }
}
