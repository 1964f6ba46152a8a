//! The text that a process prints when it cannot start.

use std::{error::Error, fmt::Write, process::ExitCode};

use crate::{Finding, Report};

/// Causes of an error that are printed at most.
const MOST_CAUSES: usize = 16;

/// Prints why a service cannot start to standard error, and returns the exit code for `main`.
///
/// A [`Report`] or a [`Finding`], also one that another error wraps, is printed as one problem a
/// line, and the code is [`Report::EXIT_CODE`] (78), by which a supervisor recognizes an invalid
/// configuration. Any other error is printed with its causes, one a line, and the code is 1.
///
/// The `main` of a service that runs until it is told to stop:
///
/// ```
/// use std::{convert::Infallible, error::Error, process::ExitCode};
///
/// use hardpoint_secrets::{Environment, Report, Secrets, Spec, explain};
///
/// # fn example() {
/// fn main() -> ExitCode {
///     let Err(error) = run();
///     explain(&*error)
/// }
///
/// fn run() -> Result<Infallible, Box<dyn Error>> {
///     // A service takes `Environment::from_process()`.
///     let environment = Environment::from_iter([("JWT_KEYS", "changeme")]);
///     let secrets = Secrets::loader(&environment).add_spec(Spec::pem("JWT_KEYS")).load()?;
///     unreachable!("the loader returned a report instead of {secrets:?}")
/// }
/// # assert_eq!(main(), ExitCode::from(Report::EXIT_CODE));
/// # }
/// # example();
/// ```
#[must_use = "the exit code is for `main` to return"]
pub fn explain(error: &(dyn Error + 'static)) -> ExitCode {
    let (text, code) = explanation(error);
    eprintln!("{text}");
    ExitCode::from(code)
}

fn explanation(error: &(dyn Error + 'static)) -> (String, u8) {
    let chain = || std::iter::successors(Some(error), |error| (*error).source()).take(MOST_CAUSES);
    let problems = chain().find_map(|error| {
        let report = error.downcast_ref::<Report>().map(ToString::to_string);
        report.or_else(|| error.downcast_ref::<Finding>().map(ToString::to_string))
    });
    if let Some(problems) = problems {
        return (problems, Report::EXIT_CODE);
    }
    let mut text = format!("cannot start: {error}");
    for cause in chain().skip(1) {
        // Writing to a `String` never fails.
        let _: Result<(), _> = write!(text, "\n  caused by: {cause}");
    }
    (text, 1)
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[derive(Debug)]
    struct Wrapped(Box<dyn Error>);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn a_report_is_printed_as_it_is_and_other_errors_with_their_causes() {
        let mut report = Report::new();
        report.add("A", "is wrong", "write B");
        report.add("C", "is wrong", "write D");
        let lines = "A is wrong; write B\nC is wrong; write D";
        let finding = report.findings()[0].clone();
        for (error, text, code) in [
            (Box::from(report.clone()), lines, 78),
            (Box::from(finding.clone()), "A is wrong; write B", 78),
            (Box::from(Wrapped(Box::from(report))), lines, 78),
            (Box::from(Wrapped(Box::from(Wrapped(finding.into())))), "A is wrong; write B", 78),
            (
                Box::from(Wrapped(io::Error::other("inner").into())),
                "cannot start: outer\n  caused by: inner",
                1,
            ),
            (Box::<dyn Error>::from("plain"), "cannot start: plain", 1),
        ] {
            assert_eq!(explanation(&*error), (text.to_owned(), code));
        }
    }
}
