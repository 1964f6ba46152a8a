//! The hash functions of other systems, and what they cost.

use std::{num::NonZeroU32, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::password::{StoredCeiling, hash::Scheme, work::Work};

/// A hash of another system.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::password) struct Imported {
    function: Function,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Function {
    Bcrypt { cost: u32, prehash: Prehash, key: Arc<[u8]> },
    Pbkdf2 { prf: Prf, iterations: u32 },
    Scrypt { log_n: u8, r: u32, p: u32 },
}

/// What happens to a password before bcrypt, which reads 72 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prehash {
    /// Django: SHA-256 in hexadecimal digits.
    DjangoSha256,
    /// Nothing.
    None,
    /// passlib: HMAC-SHA-256 under the salt's text, in base64.
    PasslibSha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::password) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

/// What a hash costs. Two hashes with the same work take the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::password) enum ImportedWork {
    /// The number of key expansions, a power of two for one hash: so many times the work of one.
    Bcrypt { expansions: u64 },
    /// The number of times that the function is applied: iterations × blocks of output.
    Pbkdf2 { prf: Prf, rounds: u64 },
    /// Exactly these parameters.
    Scrypt { log_n: u8, r: u32, p: u32 },
}

impl Imported {
    pub(super) fn new(function: Function, salt: Vec<u8>, output: Vec<u8>) -> Self {
        Self { function, salt: salt.into(), output: output.into() }
    }

    pub(in crate::password) fn work(&self) -> Work {
        Work::Imported(self.own_work())
    }

    fn own_work(&self) -> ImportedWork {
        match self.function {
            Function::Bcrypt { cost, .. } => ImportedWork::Bcrypt { expansions: 1 << cost.min(31) },
            Function::Pbkdf2 { prf, iterations } => {
                let blocks = self.output.len().div_ceil(prf.block());
                let rounds = u64::from(iterations).saturating_mul(blocks as u64);
                ImportedWork::Pbkdf2 { prf, rounds }
            }
            Function::Scrypt { log_n, r, p } => ImportedWork::Scrypt { log_n, r, p },
        }
    }

    fn made_up_bcrypt(cost: u32) -> Self {
        let function = Function::Bcrypt { cost, prehash: Prehash::None, key: [].into() };
        Self::new(function, vec![0; 16], vec![0; 23])
    }

    fn made_up_pbkdf2(prf: Prf, rounds: u64) -> Self {
        let iterations = u32::try_from(rounds).unwrap_or(u32::MAX);
        Self::new(Function::Pbkdf2 { prf, iterations }, vec![0; 16], vec![0; prf.block()])
    }

    /// Whether this is the hash of the password. Does `all` the work of this kind. `None` if the function
    /// failed.
    pub(in crate::password) fn matches(&self, password: &str, all: &ImportedWork) -> Option<bool> {
        let rest = all.without(&self.own_work());
        let mut buffer = Zeroizing::new([0; MAX_OUTPUT]);
        let mut is_match = Choice::from(0);
        // The same calls with the same memory for this hash and for the rest: a processor takes a
        // hundredth longer or shorter for the same rounds with a buffer at another address.
        let this = [(self, Choice::from(1))];
        for (hash, is_own) in this.into_iter().chain(rest.iter().map(|hash| (hash, 0.into()))) {
            let output = buffer.get_mut(..hash.output.len())?;
            hash.compute(password, output)?;
            is_match |= output.ct_eq(&hash.output) & is_own;
        }
        Some(is_match.into())
    }

    fn compute(&self, password: &str, output: &mut [u8]) -> Option<()> {
        match &self.function {
            Function::Bcrypt { cost, prehash, key } => {
                let password = prehash.apply(password, key);
                bcrypt(*cost, self.salt.as_ref().try_into().ok()?, &password, output);
                Some(())
            }
            Function::Pbkdf2 { prf, iterations } => {
                pbkdf2(*prf, *iterations, &self.salt, password, output)
            }
            Function::Scrypt { log_n, r, p } => {
                scrypt(*log_n, *r, *p, &self.salt, password, output)
            }
        }
    }
}

/// The most bytes of an output.
pub(super) const MAX_OUTPUT: usize = 256;

impl ImportedWork {
    /// Whether the more expensive of the two equals the cheaper one plus a remainder.
    pub(in crate::password) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bcrypt { .. }, Self::Bcrypt { .. }) => true,
            (Self::Pbkdf2 { prf, .. }, Self::Pbkdf2 { prf: other, .. }) => prf == other,
            _ => self == other,
        }
    }

    /// Becomes the more expensive of the two.
    pub(in crate::password) fn raise_to(&mut self, other: &Self) {
        match (self, other) {
            (Self::Bcrypt { expansions }, Self::Bcrypt { expansions: other }) => {
                *expansions = (*expansions).max(*other);
            }
            (Self::Pbkdf2 { rounds, .. }, Self::Pbkdf2 { rounds: other, .. }) => {
                *rounds = (*rounds).max(*other);
            }
            _ => {}
        }
    }

    /// Whether a stored hash may demand this.
    pub(in crate::password) fn is_within(&self, ceiling: &StoredCeiling) -> bool {
        match *self {
            Self::Bcrypt { expansions } => expansions.ilog2() <= ceiling.bcrypt_cost,
            Self::Pbkdf2 { rounds, .. } => rounds <= ceiling.pbkdf2_rounds,
            Self::Scrypt { log_n, r, p } => {
                let memory_kib = (u64::from(r) << log_n) / 8;
                memory_kib <= ceiling.memory_kib && p <= ceiling.passes
            }
        }
    }

    /// A hash that no password has, and that costs as much as all work of its kind.
    pub(in crate::password) fn made_up(&self) -> Scheme {
        let hash = match *self {
            // The dearest hash has a power of two.
            Self::Bcrypt { expansions } => Imported::made_up_bcrypt(expansions.ilog2()),
            Self::Pbkdf2 { prf, rounds } => Imported::made_up_pbkdf2(prf, rounds),
            Self::Scrypt { log_n, r, p } => {
                Imported::new(Function::Scrypt { log_n, r, p }, vec![0; 16], vec![0; 32])
            }
        };
        Scheme::Imported(hash.into())
    }

    /// Made-up hashes that cost what remains after `done`.
    fn without(&self, done: &Self) -> Vec<Imported> {
        match (*self, *done) {
            (Self::Bcrypt { expansions }, Self::Bcrypt { expansions: done }) => {
                // A rest is a sum of powers of two: from cost 8 to cost 10 it is those of 8 and 9.
                let rest = expansions.saturating_sub(done);
                let costs = (4..32).filter(|cost| rest & (1 << cost) != 0);
                costs.map(Imported::made_up_bcrypt).collect()
            }
            (Self::Pbkdf2 { prf, rounds }, Self::Pbkdf2 { rounds: done, .. }) => {
                // One more than is left, so that each verification begins twice: that takes as long as
                // some rounds.
                let mut rest = rounds.saturating_sub(done) + 1;
                let mut parts = Vec::new();
                while rest > 0 {
                    parts.push(Imported::made_up_pbkdf2(prf, rest));
                    rest = rest.saturating_sub(u32::MAX.into());
                }
                parts
            }
            // The same parameters: nothing is left.
            (_, _) => Vec::new(),
        }
    }
}

impl Prehash {
    fn apply(self, password: &str, key: &[u8]) -> Zeroizing<Vec<u8>> {
        let bytes = password.as_bytes();
        Zeroizing::new(match self {
            Self::None => bytes.to_vec(),
            Self::DjangoSha256 => {
                let digits = digest(&SHA256, bytes);
                digits.as_ref().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
            }
            Self::PasslibSha256 => {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes);
                STANDARD.encode(tag).into_bytes()
            }
        })
    }
}

impl Prf {
    /// The length of a block of output, in bytes.
    const fn block(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Fills the first 23 bytes of the output, and less if it is shorter.
fn bcrypt(cost: u32, salt: &[u8; 16], password: &[u8], output: &mut [u8]) {
    // The password with a zero after it, and of both the first 72 bytes.
    let key = Zeroizing::new([password, &[0]].concat());
    // The cost is 4 to 31, and the key has 1 to 72 bytes.
    let hash = bcrypt::bcrypt(cost, *salt, key.get(..72).unwrap_or(&key));
    for (place, byte) in output.iter_mut().zip(hash) {
        *place = byte;
    }
}

fn pbkdf2(prf: Prf, iterations: u32, salt: &[u8], password: &str, output: &mut [u8]) -> Option<()> {
    let algorithm = match prf {
        Prf::Sha1 => PBKDF2_HMAC_SHA1,
        Prf::Sha256 => PBKDF2_HMAC_SHA256,
        Prf::Sha512 => PBKDF2_HMAC_SHA512,
    };
    let iterations = NonZeroU32::new(iterations)?;
    pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), output);
    Some(())
}

fn scrypt(log_n: u8, r: u32, p: u32, salt: &[u8], password: &str, output: &mut [u8]) -> Option<()> {
    let params = scrypt::Params::new(log_n, r, p).ok()?;
    scrypt::scrypt(password.as_bytes(), salt, &params, output).ok()
}
