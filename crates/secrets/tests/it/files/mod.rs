//! Files as Docker, Kubernetes and systemd lay them out, and as they should not be.

mod access;
mod kinds;
mod places;
mod volume;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use hardpoint_secrets::{Environment, Report, Secrets, Spec};

use crate::fixture::{load, loader};

fn from_directory(directory: &Path) -> Result<Secrets, Report> {
    Secrets::loader(&Environment::from_iter([("OTHER", "x")]))
        .directory(directory)
        .add_spec(Spec::text("DB_PASSWORD").optional())
        .load()
}

fn from_file(path: &str) -> Result<Secrets, Report> {
    load([("DB_PASSWORD_FILE", path)], [Spec::text("DB_PASSWORD")])
}

fn with_credentials(directory: &str, file: Option<&str>) -> Result<Secrets, Report> {
    let mut variables = vec![("CREDENTIALS_DIRECTORY", directory)];
    variables.extend(file.map(|file| ("DB_PASSWORD_FILE", file)));
    let environment = Environment::from_iter(variables);
    loader(&environment).add_spec(Spec::text("DB_PASSWORD").optional()).load()
}

/// Set when it is dropped, so that a failure does not wait for a thread that waits for it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
