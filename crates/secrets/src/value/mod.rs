//! Judges one value: its format, and whether it is too weak to be a secret.
//!
//! This module reads no files or variables, and wipes every copy of a value it makes.

mod encoding;
mod flaw;
mod pem;
mod shape;
mod weak;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hardpoint_core::Secret;
use zeroize::Zeroizing;

pub(crate) use self::{flaw::Flaw, shape::without_line_break};
use crate::{Spec, spec::Kind};

/// The maximum length of a value in bytes, before decoding.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// A value in the form in which it is returned.
#[derive(Debug)]
pub(crate) enum Value {
    Bytes(Arc<Secret<[u8]>>),
    Text(Arc<Secret<str>>),
}

impl Value {
    fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Arc::new(Secret::from(bytes)))
    }

    fn text(text: &str) -> Self {
        Self::Text(Arc::new(Secret::from(text)))
    }

    /// Whether both are the same secret, also if one is the encoded form of the other.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(ours), Self::Bytes(theirs)) => ours.ct_eq(theirs.expose()),
            (Self::Text(ours), Self::Text(theirs)) => is_same_text(ours, theirs),
            (Self::Bytes(bytes), Self::Text(text)) | (Self::Text(text), Self::Bytes(bytes)) => {
                let text = text.expose();
                let decoded = [encoding::base64(text), encoding::hex(text)];
                bytes.ct_eq(text) || decoded.iter().flatten().any(|text| bytes.ct_eq(text))
            }
        }
    }
}

/// Two PEM texts may differ in their line breaks.
fn is_same_text(ours: &Secret<str>, theirs: &Secret<str>) -> bool {
    let lines = |text: &Secret<str>| {
        let mut joined = Zeroizing::new(String::with_capacity(text.expose().len()));
        text.expose().lines().for_each(|line| joined.push_str(line.trim()));
        joined
    };
    let is_pem = |text: &Secret<str>| text.expose().contains("-----BEGIN ");
    ours.ct_eq(theirs.expose())
        || (is_pem(ours)
            && is_pem(theirs)
            && Secret::<str>::from(lines(ours).as_str()).ct_eq(lines(theirs).as_str()))
}

/// Returns a usable value with its weakness, if any, or the flaw that makes it unusable.
///
/// A placeholder in the wrong format is reported only as a placeholder, which is the more helpful
/// message; one mistake gets one line.
pub(crate) fn judge(spec: &Spec, raw: &[u8]) -> Result<(Value, Option<Flaw>), Flaw> {
    shape::sized(raw)?;
    if spec.kind() == Kind::Raw {
        return build_raw(spec, raw);
    }
    let text = shape::text(spec.kind(), raw)?;
    let unfinished = weak::unfinished(spec.name(), text);
    match build(spec, text) {
        Ok((value, weakness)) => Ok((value, unfinished.or(weakness))),
        Err(flaw) => Err(unfinished.unwrap_or(flaw)),
    }
}

fn build_raw(spec: &Spec, raw: &[u8]) -> Result<(Value, Option<Flaw>), Flaw> {
    let unfinished = str::from_utf8(raw).ok().and_then(|text| weak::unfinished(spec.name(), text));
    if let Some(flaw) = unfinished {
        return Err(flaw);
    }
    shape::raw(raw)?;
    let without = without_line_break(raw).len();
    if spec.most().is_some_and(|most| without == most && raw.len() > most) {
        return Err(Flaw::RawLineBreak);
    }
    long_enough(spec, raw)?;
    Ok((Value::bytes(raw), weak::key(raw)))
}

fn build(spec: &Spec, text: &str) -> Result<(Value, Option<Flaw>), Flaw> {
    match spec.kind() {
        Kind::Base64 | Kind::Hex | Kind::Raw => {
            shape::bare(text)?;
            let bytes =
                if spec.kind() == Kind::Hex { shape::hex(text)? } else { shape::base64(text)? };
            long_enough(spec, &bytes)?;
            let weakness = weak::key(&bytes);
            // A weak text inside is reported as weak: such a text was not encoded twice.
            if weakness.is_none() && encoding::is_encoded(&bytes) {
                return Err(Flaw::EncodedTwice);
            }
            Ok((Value::bytes(&bytes), weakness))
        }
        Kind::Pem => {
            pem::check(text)?;
            long_enough(spec, text.as_bytes())?;
            Ok((Value::text(text), None))
        }
        Kind::Text => {
            shape::bare(text)?;
            long_enough(spec, text.as_bytes())?;
            Ok((Value::text(text), weak::text(text)))
        }
    }
}

fn long_enough(spec: &Spec, value: &[u8]) -> Result<(), Flaw> {
    match spec.most() {
        Some(bytes) if value.len() != bytes => Err(Flaw::NotExactly { bytes }),
        None if value.len() < spec.least() => Err(Flaw::TooShort { least: spec.least() }),
        _ => Ok(()),
    }
}
