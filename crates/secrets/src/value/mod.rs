//! Judging one value: what shape it has, and whether it can be a secret at all.
//!
//! Nothing here reads a file or a variable, and nothing here copies a value without wiping
//! the copy.

mod flaw;
mod shape;
mod weak;

#[cfg(test)]
mod tests;

use hardpoint_core::Secret;

pub(crate) use self::{flaw::Flaw, shape::without_line_break};
use crate::{Spec, spec::Kind};

/// The most bytes that a value may have, as it is written.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// A value that can be handed out.
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

/// What came of a value: one that can be used but may be weak, or the reason why there is none.
///
/// A placeholder that has the wrong shape as well is only called a placeholder: that says more, and
/// one mistake gets one line.
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
