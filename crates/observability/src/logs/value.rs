//! The values of fields.

use std::{error::Error, fmt};

/// The maximum number of an error's causes that are written.
const CAUSES_MAX: usize = 16;

/// A value of a field.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Bool(bool),
    /// A text that is already redacted, or needs no redaction.
    Clean(&'a str),
    Debug(&'a dyn fmt::Debug),
    Error(&'a (dyn Error + 'static)),
    F64(f64),
    I64(i64),
    I128(i128),
    /// A text that is already encoded as JSON.
    Json(&'a str),
    Null,
    Text(&'a str),
    U64(u64),
    U128(u128),
}

/// The text of the value.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => fmt::Debug::fmt(value, f),
            Self::Debug(value) => fmt::Debug::fmt(value, f),
            Self::Error(error) => fmt::Display::fmt(&Chain(*error), f),
            Self::F64(number) => fmt::Debug::fmt(number, f),
            Self::I64(number) => fmt::Debug::fmt(number, f),
            Self::I128(number) => fmt::Debug::fmt(number, f),
            Self::Null => Ok(()),
            Self::Clean(text) | Self::Json(text) | Self::Text(text) => f.write_str(text),
            Self::U64(number) => fmt::Debug::fmt(number, f),
            Self::U128(number) => fmt::Debug::fmt(number, f),
        }
    }
}

/// An error and its causes: `cannot save: disk full`.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |&error| error.source());
        for cause in causes.take(CAUSES_MAX) {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}
