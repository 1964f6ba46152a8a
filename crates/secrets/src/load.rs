//! Finds and checks every secret and reports every problem.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, PathBuf},
};

use crate::{
    Environment, Finding, Provenance, Report, Secrets, Spec,
    locate::{Found, Places},
    names, platform,
    platform::{Exposure, Others},
    secrets::Loaded,
    value,
};

/// How the loader treats weak secrets.
///
/// A secret is weak if its value is a placeholder, its own name, repetitive, a key that cannot be
/// random, or the value of another secret, or if other users own its file, a directory on its path or
/// a link there, or can read, write or replace it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A weak secret is a warning, for development. A missing or malformed one is still a problem.
    Lenient,
    /// A weak secret is a problem. The default, so that a service without an explicit mode is safe.
    #[default]
    Strict,
}

/// Loads secrets. Created by [`Secrets::loader`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader<'e> {
    environment: &'e Environment,
    mode: Mode,
    directory: Option<PathBuf>,
    empty_is_absent: bool,
    specs: Vec<Spec>,
}

impl<'e> Loader<'e> {
    pub(crate) fn new(environment: &'e Environment) -> Self {
        Self {
            environment,
            mode: Mode::default(),
            directory: platform::default_directory(),
            empty_is_absent: false,
            specs: Vec::new(),
        }
    }

    /// Sets how weak secrets are treated. Default: [`Mode::Strict`].
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Treats an empty variable `NAME` or `NAME_FILE` as not set, for templates that always write
    /// the variable (`X=${X:-}` of Compose). A required secret is still reported as empty.
    ///
    /// Default: an empty variable counts as set and is a problem, because a variable that a shell
    /// left empty by mistake would silently disable the feature that needs the optional secret.
    pub const fn empty_is_absent(mut self) -> Self {
        self.empty_is_absent = true;
        self
    }

    /// Sets the directory to search for a file with the secret's name, in lower or upper case, if
    /// neither of its variables is set. Default: on Unix `/run/secrets`, where Docker and Podman mount
    /// secrets; elsewhere none. The directory need not exist.
    ///
    /// Files in it may be readable by others, because platforms mount them that way. Use only a
    /// directory that is mounted exclusively for this service.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds a secret to load.
    pub fn add_spec(mut self, spec: Spec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Finds and checks every secret. It reads files and blocks the thread: call it before the
    /// service starts.
    ///
    /// # Errors
    /// A [`Report`] of every problem with every secret, in the order in which the specs were added.
    pub fn load(self) -> Result<Secrets, Report> {
        let mut report = Report::new();
        let credentials = report.collect(credentials_directory(self.environment)).flatten();
        let places =
            Places::new(self.environment, credentials, self.directory, self.empty_is_absent);
        let mut loading = Loading {
            mode: self.mode,
            specs: &self.specs,
            report,
            warnings: Vec::new(),
            loaded: BTreeMap::new(),
        };
        let mut declared = BTreeSet::new();
        for spec in &self.specs {
            if let Some(finding) = misnamed(spec, &mut declared) {
                loading.report.extend([finding]);
                continue;
            }
            match loading.report.collect(places.find(spec)) {
                Some(Some(found)) => loading.take(spec, found),
                Some(None) if spec.is_required(self.mode) => {
                    loading.report.extend([places.missing(spec)]);
                }
                Some(None) | None => {}
            }
        }
        loading.report.into_result()?;
        Ok(Secrets::new(loading.loaded, loading.warnings))
    }
}

/// The directory of systemd's credentials, if set.
fn credentials_directory(environment: &Environment) -> Result<Option<PathBuf>, Finding> {
    const NAME: &str = "CREDENTIALS_DIRECTORY";
    let Some(path) = environment.get(NAME)?.filter(|path| !path.is_empty()).map(PathBuf::from)
    else {
        return Ok(None);
    };
    let mut parts = path.components();
    let up = path.components().any(|part| part == Component::ParentDir);
    if path.is_absolute() && !up && parts.any(|part| matches!(part, Component::Normal(_))) {
        return Ok(Some(path));
    }
    Err(Finding::new(
        NAME,
        "is not the absolute path of a directory dedicated to this service",
        "let systemd set it, or unset it",
    ))
}

/// Reports an invalid or duplicate name: a mistake in the program, not in the configuration.
fn misnamed<'s>(spec: &'s Spec, declared: &mut BTreeSet<&'s str>) -> Option<Finding> {
    let name = spec.name();
    if !names::is_secret_name(name) {
        return Some(Finding::new(
            name,
            "is not a valid name for a secret",
            "use only letters, digits and `_` in its spec, and no `_FILE` at the end",
        ));
    }
    let first = declared.insert(name);
    (!first).then(|| Finding::new(name, "is declared twice", "add only one spec for it"))
}

/// The secrets loaded so far and the findings.
struct Loading<'s> {
    mode: Mode,
    specs: &'s [Spec],
    report: Report,
    warnings: Vec<Finding>,
    loaded: BTreeMap<String, Loaded>,
}

impl Loading<'_> {
    fn take(&mut self, spec: &Spec, found: Found<'_>) {
        let place = found.provenance.clone();
        if let Some(exposure) = &found.exposure {
            self.weak(exposed(spec, &place, exposure));
        }
        let flawed = |flaw: value::Flaw| {
            Finding::new(spec.name(), flaw.what(), flaw.remedy(spec)).place(&place)
        };
        match value::judge(spec, found.raw(spec.kind())) {
            Err(flaw) => self.report.extend([flawed(flaw)]),
            Ok((value, weakness)) => {
                let weakness = weakness.map(flawed);
                if let Some(finding) = weakness.or_else(|| self.reused(spec, &place, &value)) {
                    self.weak(finding);
                }
                let loaded = Loaded { value, provenance: found.provenance };
                self.loaded.insert(spec.name().to_owned(), loaded);
            }
        }
    }

    fn weak(&mut self, finding: Finding) {
        match self.mode {
            Mode::Lenient => self.warnings.push(finding),
            Mode::Strict => self.report.extend([finding]),
        }
    }

    /// Reports a value that another secret has too: a leak of one would reveal the other.
    fn reused(&self, spec: &Spec, place: &Provenance, value: &value::Value) -> Option<Finding> {
        let allowed = |other: &str| {
            let spec_of_other = self.specs.iter().find(|spec| spec.name() == other);
            spec.allows(other) || spec_of_other.is_some_and(|other| other.allows(spec.name()))
        };
        let (other, _) = self
            .loaded
            .iter()
            .find(|(other, loaded)| !allowed(other) && loaded.value.same_as(value))?;
        let what = format!("has the same value as `{other}`");
        let remedy = spec.advise("use a different value for each");
        Some(Finding::new(spec.name(), what, remedy).place(place))
    }
}

/// The finding for a file that other users can access or replace.
fn exposed(spec: &Spec, place: &Provenance, exposure: &Exposure) -> Finding {
    const NEITHER: &str = "belongs to neither root nor the user of this process";
    let who = |others| match others {
        Others::Everyone => "every user of the machine",
        Others::Group => "its group",
    };
    let (what, remedy) = match exposure {
        Exposure::Writable(others) => (
            format!("is writable by {}", who(*others)),
            "remove the permissions of others: `chmod g-w,o-rwx`",
        ),
        Exposure::Replaceable(path, others) => (
            format!(
                "is below the directory `{}`, which is writable by {}",
                path.display(),
                who(*others)
            ),
            "remove the write permission of others from the directory: `chmod go-w`",
        ),
        Exposure::ForeignDirectory(path) => (
            format!("is below the directory `{}`, which {NEITHER}", path.display()),
            "change the owner of the directory to one of them: `chown`",
        ),
        Exposure::ForeignLink(path) => (
            format!("is behind the link `{}`, which {NEITHER}", path.display()),
            "name the file itself, or make the link as one of them",
        ),
        Exposure::Foreign => (NEITHER.to_owned(), "change its owner to one of them: `chown`"),
        Exposure::Moved => {
            ("was replaced while it was read".to_owned(), "start again once it no longer changes")
        }
        Exposure::Readable => (
            "is readable by every user of the machine".to_owned(),
            "remove the permissions of others: `chmod o-rwx`, or `defaultMode: 0440` in Kubernetes",
        ),
    };
    Finding::new(spec.name(), what, remedy).place(place)
}
