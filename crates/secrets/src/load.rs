//! Finding and checking every secret, and telling everything that is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, PathBuf},
};

use crate::{
    Environment, Finding, Provenance, Report, Secrets, Spec,
    locate::{Found, Places},
    names, platform,
    platform::Exposure,
    secrets::Loaded,
    value,
};

/// What becomes of a secret that can be used but should not be.
///
/// Weak are: a placeholder, a value that is its own name, one that repeats itself, a key that
/// cannot be random, the same value under two names, and a file that others can read, write or
/// replace, or that belongs to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Weakness is a warning: for development. What is missing or malformed is still a problem.
    Lenient,
    /// Weakness is a problem. The default: who forgets to choose is safe.
    #[default]
    Strict,
}

/// Loads secrets: made by [`Secrets::loader`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader<'e> {
    environment: &'e Environment,
    mode: Mode,
    directory: Option<PathBuf>,
    specs: Vec<Spec>,
}

impl<'e> Loader<'e> {
    pub(crate) fn new(environment: &'e Environment) -> Self {
        Self {
            environment,
            mode: Mode::default(),
            directory: platform::default_directory(),
            specs: Vec::new(),
        }
    }

    /// What becomes of weak secrets. Default: [`Mode::Strict`].
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The directory in which to look for a file with the secret's name in lower case, if neither
    /// of its variables is set. Default: `/run/secrets` on Unix, where Docker and Podman mount
    /// them; none elsewhere. A directory that does not exist holds no secrets, and is no problem.
    ///
    /// Files in it may be readable by others, since platforms mount them so; name only a directory
    /// that is mounted for this service alone.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds a secret to load.
    pub fn add_spec(mut self, spec: Spec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Finds and checks every secret. It reads files, and blocks meanwhile: call it before the
    /// service starts.
    ///
    /// # Errors
    /// Every problem of every secret, in the order in which they were added.
    pub fn load(self) -> Result<Secrets, Report> {
        let mut report = Report::new();
        let credentials = report.collect(credentials_directory(self.environment)).flatten();
        let places = Places::new(self.environment, credentials, self.directory);
        let mut loading =
            Loading { mode: self.mode, report, warnings: Vec::new(), loaded: BTreeMap::new() };
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

/// Where systemd put the credentials, if it did.
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
        "is not the absolute path of a directory for this service alone",
        "leave it to systemd, or unset it",
    ))
}

/// Mistakes of whoever wrote the program.
fn misnamed<'s>(spec: &'s Spec, declared: &mut BTreeSet<&'s str>) -> Option<Finding> {
    let name = spec.name();
    if !names::is_secret_name(name) {
        return Some(Finding::new(
            name,
            "is not a name for a secret",
            "use letters, digits and `_` in its spec, and no `_FILE` at the end",
        ));
    }
    let first = declared.insert(name);
    (!first).then(|| Finding::new(name, "is declared twice", "add one spec for it"))
}

/// What has come of the secrets so far.
struct Loading {
    mode: Mode,
    report: Report,
    warnings: Vec<Finding>,
    loaded: BTreeMap<String, Loaded>,
}

impl Loading {
    fn take(&mut self, spec: &Spec, found: Found<'_>) {
        let place = found.provenance.clone();
        if let Some(exposure) = found.exposure {
            self.weak(exposed(spec, &place, exposure));
        }
        let flawed = |flaw: value::Flaw| {
            Finding::new(spec.name(), flaw.what(), flaw.remedy(spec)).place(&place)
        };
        match value::judge(spec, found.raw()) {
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

    /// Whoever learns one of two equal secrets has the other as well.
    fn reused(&self, spec: &Spec, place: &Provenance, value: &value::Value) -> Option<Finding> {
        let (other, _) = self.loaded.iter().find(|(_, loaded)| loaded.value.same_as(value))?;
        let what = format!("has the same value as `{other}`");
        let remedy = spec.advise("give each its own");
        Some(Finding::new(spec.name(), what, remedy).place(place))
    }
}

/// A file that users who have no business with it can touch.
fn exposed(spec: &Spec, place: &Provenance, exposure: Exposure) -> Finding {
    let (what, remedy) = match exposure {
        Exposure::Writable => (
            "can be written by every user of the machine",
            "take the rights of others away: `chmod o-rwx`",
        ),
        Exposure::Replaceable => (
            "lies below a directory that every user of the machine can write",
            "take that right away from the directory: `chmod o-w`",
        ),
        Exposure::Foreign => (
            "belongs to a user who is neither root nor the one of this process",
            "give it to one of them: `chown`",
        ),
        Exposure::Readable => (
            "can be read by every user of the machine",
            "take the rights of others away: `chmod o-rwx`, or `defaultMode: 0440` in Kubernetes",
        ),
    };
    Finding::new(spec.name(), what, remedy).place(place)
}
