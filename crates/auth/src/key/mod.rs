//! Keys of tokens: each is parsed once and has one algorithm.

mod algorithm;
mod container;
mod error;
mod jwk;
mod lint;
mod published;
mod ring;
mod set;
mod signing;
mod source;
mod verifying;

#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod tests;

pub use self::{
    algorithm::Algorithm,
    error::{KeyError, KeyErrorKind},
    ring::{KeyRing, KeyState},
    set::{KeySet, KeySetError, SkippedKey},
    signing::SigningKey,
    source::{IssuerKeys, Refreshed},
    verifying::VerifyingKey,
};
pub(crate) use self::{
    jwk::MAX_KEY_ID,
    set::Member,
    source::{KeyFinder, Live},
};
