//! Keys of tokens: one key, one algorithm, parsed once.

mod algorithm;
mod error;
mod jwk;
mod lint;
mod live;
mod pem;
mod ring;
mod set;
mod signing;
mod verifying;

#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod tests;

pub use self::{
    algorithm::Algorithm,
    error::KeyError,
    ring::{KeyRing, KeyState, UnknownKey},
    set::{KeySet, KeySetError, SkippedKey},
    signing::SigningKey,
    verifying::VerifyingKey,
};
pub(crate) use self::{jwk::MAX_KEY_ID, live::Live, set::Member};
