//! Judges one value: its format, and whether it is too weak to be a secret.
//!
//! This module reads no files or variables, and wipes every copy of a value it makes.

mod flaw;
mod shape;
mod weak;

#[cfg(test)]
mod tests;

use hardpoint_core::Secret;

pub(crate) use self::{flaw::Flaw, shape::without_line_break};
use crate::{Spec, spec::Kind};

/// The maximum length of a value in bytes, before decoding.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// A value in the form in which it is returned.
#[derive(Debug)]
pub(crate) enum Value {
    Bytes(Secret<[u8]>),
    Text(Secret<str>),
}

impl Value {
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(ours), _) => ours.ct_eq(other.expose()),
            (Self::Text(ours), _) => ours.ct_eq(other.expose()),
        }
    }

    fn expose(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.expose(),
            Self::Text(text) => text.expose().as_bytes(),
        }
    }
}

/// Returns a usable value with its weakness, if any, or the flaw that makes it unusable.
///
/// A placeholder in the wrong format is reported only as a placeholder, which is the more helpful
/// message; one mistake gets one line.
pub(crate) fn judge(spec: &Spec, raw: &[u8]) -> Result<(Value, Option<Flaw>), Flaw> {
    let text = shape::text(raw)?;
    let unfinished = weak::unfinished(spec.name(), text);
    match build(spec, text) {
        Ok((value, weakness)) => Ok((value, unfinished.or(weakness))),
        Err(flaw) => Err(unfinished.unwrap_or(flaw)),
    }
}

fn build(spec: &Spec, text: &str) -> Result<(Value, Option<Flaw>), Flaw> {
    match spec.kind() {
        Kind::Base64 => {
            shape::trimmed(text)?;
            let bytes = shape::base64(text)?;
            long_enough(spec, &bytes)?;
            let weakness = weak::key(&bytes);
            Ok((Value::Bytes(Secret::from(bytes.as_slice())), weakness))
        }
        Kind::Pem => {
            shape::pem(text)?;
            long_enough(spec, text.as_bytes())?;
            Ok((Value::Text(Secret::from(text)), None))
        }
        Kind::Text => {
            shape::trimmed(text)?;
            long_enough(spec, text.as_bytes())?;
            Ok((Value::Text(Secret::from(text)), weak::text(text)))
        }
    }
}

fn long_enough(spec: &Spec, value: &[u8]) -> Result<(), Flaw> {
    if value.len() < spec.least() {
        return Err(Flaw::TooShort { least: spec.least() });
    }
    Ok(())
}
