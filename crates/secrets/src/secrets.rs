//! The secrets of a service.

use std::collections::BTreeMap;

use hardpoint_core::Secret;

use crate::{Environment, Finding, Loader, Provenance, value::Value};

/// The secrets of a service, all of them found and checked.
///
/// They are the values of the moment when they were loaded, wiped when this is dropped. `Debug`
/// shows names and places.
#[derive(Debug)]
pub struct Secrets {
    loaded: BTreeMap<String, Loaded>,
    warnings: Vec<Finding>,
}

#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) value: Value,
    pub(crate) provenance: Provenance,
}

impl Secrets {
    /// Starts to load secrets: see [`Loader`]. The crate's page says where they are looked for.
    pub fn loader(environment: &Environment) -> Loader<'_> {
        Loader::new(environment)
    }

    pub(crate) const fn new(loaded: BTreeMap<String, Loaded>, warnings: Vec<Finding>) -> Self {
        Self { loaded, warnings }
    }

    /// A secret that was declared by [`Spec::text`](crate::Spec::text) or
    /// [`Spec::pem`](crate::Spec::pem); `None` if it is not set, or was not declared as such.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Secret<str>> {
        match &self.loaded.get(name)?.value {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }

    /// The decoded bytes of a secret that was declared by [`Spec::base64`](crate::Spec::base64);
    /// `None` if it is not set, or was not declared as such.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&Secret<[u8]>> {
        match &self.loaded.get(name)?.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(_) => None,
        }
    }

    /// Where a secret came from; `None` if it is not set.
    #[must_use]
    pub fn provenance(&self, name: &str) -> Option<&Provenance> {
        self.loaded.get(name).map(|loaded| &loaded.provenance)
    }

    /// What would have been a problem in [`Mode::Strict`](crate::Mode::Strict): to be logged once
    /// there is a log. Empty if the secrets were loaded in that mode.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}
