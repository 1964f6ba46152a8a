//! The snapshot of the environment variables.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ffi::OsString,
    fmt, str,
};

use zeroize::Zeroizing;

use crate::{Finding, names};

/// A snapshot of environment variables.
///
/// The service reads its environment once at startup and passes the snapshot to the code that needs
/// it, so no other code reads the process environment, and tests can supply their own variables.
/// Because the snapshot holds secrets, it is not `Clone`, its `Debug` output contains only the
/// number of variables, and it wipes the values on drop.
///
/// ```
/// use hardpoint_secrets::Environment;
///
/// let environment = Environment::from_iter([("APP_LISTEN", "127.0.0.1:3000")]);
/// assert_eq!(environment.get("APP_LISTEN"), Ok(Some("127.0.0.1:3000")));
/// assert_eq!(environment.get("APP_LOG"), Ok(None));
/// ```
pub struct Environment {
    variables: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Environment {
    /// Takes a snapshot of the variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os().collect()
    }

    /// Returns the value of a variable that is not secret, or `None` if it is not set. An empty
    /// variable has the value `""`.
    ///
    /// # Errors
    /// A [`Finding`] if the value is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Finding> {
        let Some(value) = self.bytes(name) else {
            return Ok(None);
        };
        str::from_utf8(value).map(Some).map_err(|_| {
            Finding::new(name.to_owned(), "is not UTF-8", "encode it as UTF-8, or unset it")
        })
    }

    /// Reports the variables that start with `prefix` and are not in `known`, each with the nearest
    /// known name, so that the service does not silently ignore a misspelled setting.
    ///
    /// For a secret `NAME` that starts with the prefix, pass both `NAME` and `NAME_FILE` as known.
    /// The method skips the variables that Kubernetes and Docker set for a service with the prefix
    /// as its name (`APP_SERVICE_HOST`, `APP_PORT_80_TCP`).
    ///
    /// ```
    /// use hardpoint_secrets::Environment;
    ///
    /// let environment = Environment::from_iter([("APP_LSITEN", "127.0.0.1:3000")]);
    /// let unknown = environment.unknown("APP_", ["APP_LISTEN", "APP_LOG"]);
    /// assert_eq!(
    ///     unknown.iter().map(ToString::to_string).collect::<Vec<_>>(),
    ///     ["APP_LSITEN is not a setting of this service; write `APP_LISTEN`, or unset it"]
    /// );
    /// ```
    pub fn unknown<I>(&self, prefix: &str, known: I) -> Vec<Finding>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let known: Vec<I::Item> = known.into_iter().collect();
        let stranger = |name: &str| known.iter().all(|known| known.as_ref() != name);
        self.variables
            .iter()
            .filter(|(name, value)| {
                name.starts_with(prefix)
                    && stranger(name)
                    && !names::is_service_link(name.as_str(), value.as_slice())
            })
            .map(|(name, _)| {
                let nearest = names::nearest(prefix, name, known.iter().map(AsRef::as_ref));
                let remedy = match nearest {
                    Some(nearest) => format!("write `{nearest}`, or unset it"),
                    None => "unset it".to_owned(),
                };
                Finding::new(name.clone(), "is not a setting of this service", remedy)
            })
            .collect()
    }

    /// The bytes of a variable.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.variables.get(name).map(|value| value.as_slice())
    }
}

impl<K, V> FromIterator<(K, V)> for Environment
where
    K: Into<OsString>,
    V: Into<OsString>,
{
    /// Creates a snapshot of these variables. If two have the same name, the first one counts, as
    /// with `getenv`. Variables whose name is not UTF-8 are left out.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let mut snapshot = BTreeMap::new();
        for (name, value) in variables {
            // Keeps the allocation of the value, so that no unwiped copy remains.
            let value = Zeroizing::new(value.into().into_encoded_bytes());
            let Ok(name) = name.into().into_string() else {
                continue;
            };
            if let Entry::Vacant(vacant) = snapshot.entry(name) {
                vacant.insert(value);
            }
        }
        Self { variables: snapshot }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment([{} variables])", self.variables.len())
    }
}
