//! Answers of the server.

use crate::{Error, ErrorKind};

/// An answer of the server. The types of RESP3 that have a counterpart in RESP2 are converted to it,
/// so an answer has the same shape on either protocol.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An array, or a set.
    Array(Vec<Self>),
    /// A string: its bytes. Status lines such as `OK`, and verbatim strings, are strings too.
    Bytes(Vec<u8>),
    /// A floating-point number, which only RESP3 has.
    Double(f64),
    /// An integer, or a boolean as 0 or 1.
    Int(i64),
    /// Pairs, which RESP2 sends as an array of twice the length.
    Map(Vec<(Self, Self)>),
    /// Nothing.
    Nil,
}

impl Value {
    /// The integer. A string of decimal digits counts as one.
    ///
    /// # Errors
    /// An [`Error`] of the kind [`Corrupt`](ErrorKind::Corrupt) if the answer has another shape.
    pub fn into_int(self) -> Result<i64, Error> {
        match self {
            Self::Int(int) => Ok(int),
            Self::Bytes(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(Error::corrupt),
            _ => Err(Error::corrupt()),
        }
    }

    /// The bytes of a string, or `None` for nil.
    ///
    /// # Errors
    /// An [`Error`] of the kind [`Corrupt`](ErrorKind::Corrupt) if the answer has another shape.
    pub fn into_bytes(self) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(Some(bytes)),
            Self::Nil => Ok(None),
            _ => Err(Error::corrupt()),
        }
    }

    /// The elements of an array. Nil has none; a map's keys and values take turns.
    ///
    /// # Errors
    /// An [`Error`] of the kind [`Corrupt`](ErrorKind::Corrupt) if the answer has another shape.
    pub fn into_array(self) -> Result<Vec<Self>, Error> {
        match self {
            Self::Array(values) => Ok(values),
            Self::Map(pairs) => {
                Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect())
            }
            Self::Nil => Ok(Vec::new()),
            _ => Err(Error::corrupt()),
        }
    }

    /// Converts what redis-rs parsed. An error inside of an array fails the whole answer.
    pub(crate) fn from_wire(value: redis::Value) -> Result<Self, Error> {
        use redis::Value as Wire;
        Ok(match value {
            Wire::Nil => Self::Nil,
            Wire::Int(int) => Self::Int(int),
            Wire::Boolean(truth) => Self::Int(truth.into()),
            Wire::Double(double) => Self::Double(double),
            Wire::BulkString(bytes) => Self::Bytes(bytes),
            Wire::SimpleString(text) | Wire::VerbatimString { text, .. } => {
                Self::Bytes(text.into_bytes())
            }
            Wire::Okay => Self::Bytes(b"OK".to_vec()),
            Wire::Array(values) | Wire::Set(values) => {
                Self::Array(values.into_iter().map(Self::from_wire).collect::<Result<_, _>>()?)
            }
            Wire::Map(pairs) => Self::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| Ok((Self::from_wire(key)?, Self::from_wire(value)?)))
                    .collect::<Result<_, Error>>()?,
            ),
            Wire::Attribute { data, .. } => Self::from_wire(*data)?,
            Wire::ServerError(error) => return Err(Error::from_wire(error.into())),
            _ => return Err(Error::new(ErrorKind::Corrupt)),
        })
    }
}
