//! Reports every problem of a configuration at once.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write},
    process::ExitCode,
};

use crate::invisible::is_invisible;

/// A problem with a secret or a setting: its name, where it was found, the problem and the remedy.
/// It never contains the value of a secret.
///
/// `Display` always writes one line. It escapes control characters, invisible characters and
/// characters that change the direction of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    name: String,
    place: Option<String>,
    what: Cow<'static, str>,
    remedy: Cow<'static, str>,
}

impl Finding {
    /// Creates a finding. `what` and `remedy` are clauses that follow the name, such as `is not a
    /// socket address` and `write one, such as 127.0.0.1:80`.
    ///
    /// Both are printed. They may contain the value of a setting, but never that of a secret.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        what: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), place: None, what: what.into(), remedy: remedy.into() }
    }

    /// Sets where the value was found or looked up. Default: none.
    #[must_use]
    pub fn place(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// The name of the secret or the setting.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the value was found or looked up, if set.
    #[must_use]
    pub fn found_in(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The problem.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Writes one line, with the name padded to `width`.
    fn line(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        one_line(f, &self.name)?;
        for _ in self.name.chars().count()..width {
            f.write_char(' ')?;
        }
        f.write_char(' ')?;
        if let Some(place) = &self.place {
            f.write_char('(')?;
            one_line(f, place)?;
            f.write_str(") ")?;
        }
        one_line(f, &self.what)?;
        f.write_str("; ")?;
        one_line(f, &self.remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(f, 0)
    }
}

/// Escapes untrusted text such as paths, so that it cannot add a line or control the terminal.
fn one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| {
        if c.is_control() || is_invisible(c) {
            write!(f, "{}", c.escape_default())
        } else {
            f.write_char(c)
        }
    })
}

/// All problems of a configuration: those of the secrets and those that the application adds.
///
/// `Display` writes one problem per line, without a header or footer. A service prints the report
/// and exits with [`exit_code`](Self::exit_code):
///
/// ```
/// use std::process::ExitCode;
/// use hardpoint_secrets::{Environment, Report, Secrets, Spec};
///
/// fn start(environment: &Environment) -> Result<Secrets, Report> {
///     Secrets::loader(environment).add_spec(Spec::text("API_KEY")).load()
/// }
///
/// fn run(environment: &Environment) -> ExitCode {
///     match start(environment) {
///         Ok(_secrets) => ExitCode::SUCCESS,
///         Err(report) => {
///             eprintln!("{report}");
///             report.exit_code()
///         }
///     }
/// }
/// # assert_eq!(run(&Environment::from_iter([("", "")])), ExitCode::from(Report::EXIT_CODE));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// The exit code of a process with an invalid configuration: `EX_CONFIG` of `sysexits.h`. It
    /// lets a supervisor distinguish the exit from a crash and skip the restart.
    pub const EXIT_CODE: u8 = 78;

    /// Creates an empty report.
    #[must_use]
    pub const fn new() -> Self {
        Self { findings: Vec::new() }
    }

    /// Adds a problem found by the application. See [`Finding::new`] for the arguments.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        what: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) {
        self.findings.push(Finding::new(name, what, remedy));
    }

    /// Returns the value of an `Ok` result. Adds the problems of an `Err` to the report and returns
    /// `None`.
    pub fn collect<T, E: Into<Self>>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problems) => {
                self.extend(problems.into());
                None
            }
        }
    }

    /// The problems, in the order in which they were found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the report has no problems.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The number of problems.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.findings.len()
    }

    /// [`EXIT_CODE`](Self::EXIT_CODE), for `main` to return.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(Self::EXIT_CODE)
    }

    /// Returns `Ok` if the report is empty.
    ///
    /// # Errors
    /// The report itself, if it has a problem.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl Error for Finding {}

impl From<Finding> for Report {
    fn from(finding: Finding) -> Self {
        Self { findings: vec![finding] }
    }
}

impl Extend<Finding> for Report {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        self.findings.extend(findings);
    }
}

impl IntoIterator for Report {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.findings.into_iter()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.findings.iter().map(|finding| finding.name.chars());
        let width = names.map(Iterator::count).max().unwrap_or(0);
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            finding.line(f, width)?;
        }
        Ok(())
    }
}

impl Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_list_of_one_problem_a_line() {
        let mut report = Report::new();
        assert_eq!(report.clone().into_result(), Ok(()));
        report.add("A", "is wrong", "write B");
        report.extend([Finding::new("LONGER", "is gone", "set it").place("file `/x`")]);
        assert_eq!(
            report.to_string(),
            "A      is wrong; write B\nLONGER (file `/x`) is gone; set it"
        );
        assert_eq!(report.len(), 2);
        assert_eq!(report.clone().into_result(), Err(report));
    }

    #[test]
    fn a_hostile_path_cannot_add_a_line_or_colour_the_terminal() {
        let finding = Finding::new("A", "x", "y").place("file `/tmp/\n\u{1b}[31m\u{2028}B ok`");
        let line = finding.to_string();
        assert_eq!(line.lines().count(), 1);
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{2028}'), "{line}");
    }

    #[test]
    fn a_hostile_path_cannot_turn_the_text_around_or_hide_in_it() {
        for c in
            ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{200f}', '\u{feff}']
        {
            let line =
                Finding::new("A", "x", "y").place(format_args!("file `/tmp/{c}ko`")).to_string();
            assert_eq!(line, format!("A (file `/tmp/{}ko`) x; y", c.escape_default()));
        }
    }

    #[test]
    fn problems_of_several_results_end_in_one_report() {
        let mut report = Report::new();
        assert_eq!(report.collect(Ok::<_, Finding>(7)), Some(7));
        assert_eq!(report.collect(Err::<u8, _>(Finding::new("A", "b", "c"))), None);
        assert_eq!(report.collect(Err::<u8, _>(report.clone())), None);
        assert_eq!(report.len(), 2);
    }
}
