//! Temporary directories, and shorthands for loading.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use hardpoint_secrets::{Environment, Loader, Report, Secrets, Spec};

/// A directory that is removed with all that is in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hardpoint-secrets-{}-{count}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that its owner alone can read, and returns its path.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        #[cfg(unix)]
        chmod(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[cfg(unix)]
pub(crate) fn chmod(path: impl AsRef<Path>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A loader that never looks into the machine's own `/run/secrets`.
pub(crate) fn loader(environment: &Environment) -> Loader<'_> {
    Secrets::loader(environment).directory("/nonexistent")
}

pub(crate) fn load<const N: usize>(
    variables: [(&str, &str); N],
    specs: impl IntoIterator<Item = Spec>,
) -> Result<Secrets, Report> {
    let environment = Environment::from_iter(variables);
    specs.into_iter().fold(loader(&environment), Loader::add_spec).load()
}

/// The problems of a load that fails.
pub(crate) fn problems<const N: usize>(
    variables: [(&str, &str); N],
    specs: impl IntoIterator<Item = Spec>,
) -> String {
    load(variables, specs).unwrap_err().to_string()
}
