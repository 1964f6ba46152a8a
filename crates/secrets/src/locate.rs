//! Finds a secret in one of its possible places.

use std::{
    fmt, fs,
    path::{Component, Path, PathBuf},
    str,
};

use zeroize::Zeroizing;

use crate::{
    Environment, Finding, Spec,
    file::{self, Failure},
    platform::{self, Exposure},
    spec::Kind,
    value,
};

/// The origin of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// The file with this path, from `NAME_FILE` or from a directory of secrets.
    File(PathBuf),
    /// The environment variable with this name.
    Variable(String),
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Variable(name) => write!(f, "variable `{name}`"),
        }
    }
}

/// A value that was found, in its encoded form.
pub(crate) struct Found<'e> {
    raw: Raw<'e>,
    pub(crate) provenance: Provenance,
    pub(crate) exposure: Option<Exposure>,
}

enum Raw<'e> {
    File(Zeroizing<Vec<u8>>),
    Variable(&'e [u8]),
}

impl Found<'_> {
    /// The value, without the line break at the end of a file of text.
    pub(crate) fn raw(&self, kind: Kind) -> &[u8] {
        match &self.raw {
            Raw::File(bytes) if kind == Kind::Raw => bytes,
            Raw::File(bytes) => value::without_line_break(bytes),
            Raw::Variable(bytes) => bytes,
        }
    }
}

/// The places to search.
pub(crate) struct Places<'e> {
    environment: &'e Environment,
    /// The directory of systemd's credentials. Searched first. It counts as mounted only for files
    /// that are looked up by name.
    credentials: Option<PathBuf>,
    /// The directory where container platforms mount secrets.
    directory: Option<PathBuf>,
    /// Whether an empty variable counts as not set.
    empty_is_absent: bool,
}

/// How often a file is read if its path leads to another one afterwards, as while it is replaced.
const READS: usize = 3;

impl<'e> Places<'e> {
    pub(crate) fn new(
        environment: &'e Environment,
        credentials: Option<PathBuf>,
        directory: Option<PathBuf>,
        empty_is_absent: bool,
    ) -> Self {
        Self { environment, credentials, directory, empty_is_absent }
    }

    /// The bytes of a variable that counts as set.
    fn variable(&self, name: &str) -> Option<&'e [u8]> {
        let bytes = self.environment.bytes(name);
        bytes.filter(|bytes| !(self.empty_is_absent && bytes.is_empty()))
    }

    /// Returns the secret from the first place that has it.
    pub(crate) fn find(&self, spec: &Spec) -> Result<Option<Found<'e>>, Finding> {
        let name = spec.name();
        let file_variable = file_variable(name);
        match (self.variable(name), self.variable(&file_variable)) {
            (Some(_), Some(_)) => Err(Finding::new(
                name,
                format!("is set twice, by the variables `{name}` and `{file_variable}`"),
                "unset one of them",
            )),
            (Some(_), None) if spec.kind() == Kind::Raw => Err(Finding::new(
                name,
                "is a variable, which cannot contain raw bytes",
                format!("set `{file_variable}` to the path of a file with the secret"),
            )
            .place(format_args!("variable `{name}`"))),
            (Some(raw), None) => Ok(Some(Found {
                raw: Raw::Variable(raw),
                provenance: Provenance::Variable(name.to_owned()),
                exposure: None,
            })),
            (None, Some(path)) => self.named(spec, &file_variable, path).map(Some),
            (None, None) => self.mounted(spec),
        }
    }

    /// Reads the file that `NAME_FILE` names.
    fn named(&self, spec: &Spec, variable: &str, path: &[u8]) -> Result<Found<'e>, Finding> {
        let flaw = |what| {
            let remedy = format!("set `{variable}` to the path of a file with the secret");
            Finding::new(spec.name(), what, remedy).place(format_args!("variable `{variable}`"))
        };
        let path = str::from_utf8(path).map_err(|_| flaw("is a path that is not UTF-8"))?;
        if path.is_empty() {
            return Err(flaw("is an empty path"));
        }
        let path = Path::new(path);
        self.read(path, None).map_err(|failure| {
            if is_surely_a_path(path) {
                unreadable(spec, path, failure)
            } else {
                flaw("is not the path of a readable file")
            }
        })
    }

    /// Reads the file with the secret's name from the first directory that has it.
    fn mounted(&self, spec: &Spec) -> Result<Option<Found<'e>>, Finding> {
        for directory in self.directories() {
            let mut paths = candidates(directory, spec).filter(|path| exists(path));
            let Some(path) = paths.next() else {
                continue;
            };
            if let Some(other) = paths.find(|other| !platform::is_same_file(&path, other)) {
                let what = format!(
                    "is there twice, as the files `{}` and `{}`",
                    path.display(),
                    other.display()
                );
                return Err(Finding::new(spec.name(), what, "remove one of them"));
            }
            let found = self.read(&path, Some(directory));
            return found.map(Some).map_err(|failure| unreadable(spec, &path, failure));
        }
        Ok(None)
    }

    /// `looked_up` is the directory of a lookup by name.
    fn read(&self, path: &Path, looked_up: Option<&Path>) -> Result<Found<'e>, Failure> {
        let mut left = READS;
        loop {
            left -= 1;
            let contents = file::read(path)?;
            // Judged by the path of the opened file, after all links.
            let is_mounted = contents.real.as_deref().is_some_and(|real| {
                looked_up.into_iter().chain(self.directory.as_deref()).any(|dir| lies_in(dir, real))
            });
            let exposure = platform::exposure(&contents.metadata, path, is_mounted);
            if exposure == Some(Exposure::Moved) && left > 0 {
                continue;
            }
            return Ok(Found {
                raw: Raw::File(contents.bytes),
                provenance: Provenance::File(path.to_owned()),
                exposure,
            });
        }
    }

    fn directories(&self) -> impl Iterator<Item = &Path> {
        self.credentials.iter().chain(&self.directory).map(PathBuf::as_path)
    }

    /// The finding for a secret that is in none of the places.
    pub(crate) fn missing(&self, spec: &Spec) -> Finding {
        let (name, file_variable) = (spec.name(), file_variable(spec.name()));
        for variable in [name, &file_variable] {
            if self.environment.bytes(variable).is_some() {
                let remedy = spec.advise("write the secret");
                return Finding::new(name, "is empty", remedy)
                    .place(format_args!("variable `{variable}`"));
            }
        }
        let mut what =
            format!("is missing: neither the variable `{name}` nor `{file_variable}` is set");
        for directory in self.directories() {
            for (index, path) in candidates(directory, spec).enumerate() {
                let joined = if index == 0 { ", and there is no file" } else { " or" };
                what.push_str(&format!("{joined} `{}`", path.display()));
            }
        }
        let remedy = format!(
            "set `{file_variable}` to the path of a file with the secret, or `{name}` to the secret"
        );
        Finding::new(name, what, spec.advise(&remedy))
    }
}

/// The files of a secret in a directory: its name in lower case, in upper case, and as declared.
fn candidates(directory: &Path, spec: &Spec) -> impl Iterator<Item = PathBuf> {
    let name = spec.name();
    let mut names = vec![name.to_ascii_lowercase(), name.to_ascii_uppercase(), name.to_owned()];
    let is_mixed = !names.iter().take(2).any(|other| other == name);
    names.truncate(if is_mixed { 3 } else { 2 });
    names.dedup();
    names.into_iter().map(|name| directory.join(name))
}

/// Does not follow links: a dangling link is a mistake, not an absent secret.
fn exists(path: &Path) -> bool {
    match fs::symlink_metadata(path).map_err(Failure::from) {
        Ok(_) => true,
        Err(failure) => failure != Failure::Missing,
    }
}

/// Whether a file is below a directory. Always `false` for the root directory, which cannot be
/// dedicated to this service.
fn lies_in(directory: &Path, real: &Path) -> bool {
    fs::canonicalize(directory)
        .is_ok_and(|directory| directory.parent().is_some() && real.starts_with(directory))
}

fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}

/// Whether the value of `NAME_FILE` is surely a path and may be printed. An operator may have put
/// the secret itself there. A value is a path if the file exists, or if its parent directory exists
/// and has a named component. Other values may be secrets: base64 can start with a slash, and a
/// password with `./`.
fn is_surely_a_path(path: &Path) -> bool {
    let named = |directory: &Path| {
        let mut parts = directory.components();
        parts.any(|part| matches!(part, Component::Normal(_))) && directory.is_dir()
    };
    path.parent().is_some_and(named) || path.exists()
}

fn unreadable(spec: &Spec, path: &Path, failure: Failure) -> Finding {
    let (what, remedy) = match failure {
        Failure::Denied => (
            "cannot be read: permission denied".to_owned(),
            "let this process's user or group read it",
        ),
        Failure::Missing => ("does not exist".to_owned(), "create the file, or correct its path"),
        Failure::NotRegular => {
            ("is not a regular file".to_owned(), "name a file, not a directory, pipe or device")
        }
        Failure::Other(kind) => (format!("cannot be read ({kind})"), "make it readable"),
        Failure::TooLarge => (value::Flaw::TooLarge.what().into_owned(), "write only the secret"),
    };
    Finding::new(spec.name(), what, remedy).place(Provenance::File(path.to_owned()))
}
