//! Keys of tokens: each is parsed once and has one algorithm.

mod algorithm;
mod der;
mod error;
mod finder;
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
    finder::{IssuerKeys, Refreshed},
    ring::{KeyRing, KeyState},
    set::{KeySet, KeySetError, SkippedKey},
    signing::SigningKey,
    verifying::VerifyingKey,
};
pub(crate) use self::{finder::KeyFinder, jwk::MAX_KEY_ID, live::Live, set::Member};
