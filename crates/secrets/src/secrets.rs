//! The secrets of a service.

use std::{collections::BTreeMap, sync::Arc};

use hardpoint_core::Secret;

use crate::{Environment, Finding, Loader, Provenance, value::Value};

/// The loaded and checked secrets of a service.
///
/// The values do not change after loading. Each is shared: a part of the application that needs a
/// secret for longer clones its [`Arc`], and the last owner wipes it on drop. `Debug` shows names
/// and places, but no values.
///
/// ```
/// use std::sync::Arc;
///
/// use hardpoint_core::Secret;
/// use hardpoint_secrets::{Environment, Secrets, Spec};
///
/// struct Mailer {
///     password: Arc<Secret<str>>,
/// }
///
/// let environment = Environment::from_iter([("SMTP_PASSWORD", "correct horse battery staple")]);
/// let secrets = Secrets::loader(&environment).add_spec(Spec::text("SMTP_PASSWORD")).load()?;
/// let password = secrets.text("SMTP_PASSWORD").cloned().ok_or("declared as required")?;
/// let mailer = Mailer { password };
/// # assert!(mailer.password.ct_eq("correct horse battery staple"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Creates a [`Loader`]. See the [crate docs](crate#lookup-order) for the lookup order.
    pub fn loader(environment: &Environment) -> Loader<'_> {
        Loader::new(environment)
    }

    pub(crate) const fn new(loaded: BTreeMap<String, Loaded>, warnings: Vec<Finding>) -> Self {
        Self { loaded, warnings }
    }

    /// Returns a secret declared with [`Spec::text`](crate::Spec::text) or
    /// [`Spec::pem`](crate::Spec::pem), or `None` if it is not set or not declared as such.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Arc<Secret<str>>> {
        match &self.loaded.get(name)?.value {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }

    /// Returns the decoded bytes of a secret declared with [`Spec::base64`](crate::Spec::base64),
    /// [`Spec::hex`](crate::Spec::hex) or [`Spec::raw`](crate::Spec::raw), or `None` if it is not set
    /// or not declared as such.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&Arc<Secret<[u8]>>> {
        match &self.loaded.get(name)?.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(_) => None,
        }
    }

    /// Returns the origin of a secret, or `None` if it is not set.
    #[must_use]
    pub fn provenance(&self, name: &str) -> Option<&Provenance> {
        self.loaded.get(name).map(|loaded| &loaded.provenance)
    }

    /// Returns the findings that would be problems in [`Mode::Strict`](crate::Mode::Strict). Log
    /// them once logging is set up. Empty if the secrets were loaded in that mode.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}
