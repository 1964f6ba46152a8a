//! The arguments of a command.

use hardpoint::auth::{Algorithm, Profile};

use super::Failure;

/// Options with their values (`--name value` or `--name=value`), and operands: all other words.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    options: Vec<(&'a str, &'a str)>,
    operands: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// Parses the words of a command that has these options.
    ///
    /// Errors name an option but never its value, which may be a secret.
    pub(super) fn read(words: &[&'a str], known: &[&str]) -> Result<Self, Failure> {
        let mut read = Self { options: Vec::new(), operands: Vec::new() };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                read.operands.push(word);
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            if !known.contains(&name) {
                return Err(Failure::usage(format!("this command has no option {name}")));
            }
            let missing = || Failure::usage(format!("{name} needs a value"));
            read.options.push((name, value.or_else(|| words.next()).ok_or_else(missing)?));
        }
        Ok(read)
    }

    /// Returns the words that are not options.
    pub(super) fn operands(&self) -> &[&'a str] {
        &self.operands
    }

    /// Returns the values of an option that may be given several times.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(own, _)| *own == name).map(|(_, value)| *value)
    }

    pub(super) fn optional(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Failure::usage(format!("{name} is given twice"))),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, Failure> {
        let missing = || Failure::usage(format!("{name} is missing"));
        self.optional(name)?.ok_or_else(missing)
    }

    pub(super) fn algorithm(&self) -> Result<Option<Algorithm>, Failure> {
        self.optional("--algorithm")?.map(algorithm).transpose()
    }

    pub(super) fn profile(&self) -> Result<Profile, Failure> {
        match self.optional("--profile")? {
            None | Some("rfc9068") => Ok(Profile::rfc9068()),
            Some("plain") => Ok(Profile::plain()),
            Some(_) => Err(Failure::usage("--profile must be rfc9068 or plain")),
        }
    }
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, Failure> {
    Algorithm::from_name(name).ok_or_else(|| Failure::usage("unknown ALGORITHM"))
}
