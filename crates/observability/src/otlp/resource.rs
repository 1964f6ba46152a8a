//! The sender of the telemetry, and the part of a request before its records.

use super::wire::{self, Any};

/// Field numbers that the requests of all three signals share (`ExportTraceServiceRequest` and its
/// siblings in opentelemetry-proto): the resource and the scope come first, then the records.
const RESOURCE_RECORDS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_RECORDS: u32 = 2;
const SCOPE: u32 = 1;
pub(super) const RECORDS: u32 = 2;

/// The attributes of the service, with the latest value of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource(Vec<(String, String)>);

impl Resource {
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Sets an attribute unless it is set.
    pub(super) fn set_default(&mut self, key: &str, value: impl Into<String>) {
        if self.get(key).is_none() {
            self.set(key, value);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The part of a request that comes before its records. It is the same for all requests but for the
/// lengths in it.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(resource: &Resource) -> Self {
        let (mut resource_field, mut scope) = (Vec::new(), Vec::new());
        wire::message::<2>(&mut resource_field, RESOURCE, |out| {
            for (key, value) in &resource.0 {
                wire::attribute(out, 1, key, Any::Text(value));
            }
        });
        wire::message::<1>(&mut scope, SCOPE, |out| {
            wire::text(out, 1, env!("CARGO_PKG_NAME"));
            wire::text(out, 2, env!("CARGO_PKG_VERSION"));
        });
        Self { resource: resource_field, scope }
    }

    /// The part before `len` bytes of records.
    pub(super) fn prefix(&self, len: usize) -> Vec<u8> {
        let scope_len = self.scope.len() + len;
        let all = self.resource.len() + wire::field_len(SCOPE_RECORDS, scope_len);
        let mut out = Vec::with_capacity(self.resource.len() + self.scope.len() + 16);
        wire::head(&mut out, RESOURCE_RECORDS, all);
        out.extend_from_slice(&self.resource);
        wire::head(&mut out, SCOPE_RECORDS, scope_len);
        out.extend_from_slice(&self.scope);
        out
    }
}
