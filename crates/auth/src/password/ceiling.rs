//! How much a stored hash may demand.

use super::{Argon2Profile, work::Work};

/// The most that a stored hash may demand of the hasher. A hash above it is an error before any work is
/// done for it: an attacker who can write one row of a table must not be able to stop the service.
///
/// The default admits what well-known systems store by default: Django (100 MiB, 2 passes, 8 lanes), Ory
/// Kratos (128 MiB), Vaultwarden (64 MiB, 3 passes, 4 lanes), Keycloak (7 MiB, 5 passes), and libraries
/// that follow RFC 9106 (64 MiB, 3 passes, 4 lanes). It costs nothing until such a hash is verified.
///
/// | setting | default |
/// |---|---|
/// | [`memory_mib`](Self::memory_mib) | 128 MiB |
/// | [`passes`](Self::passes) | 10 |
/// | [`lanes`](Self::lanes) | 256 |
/// | [`bcrypt_cost`](Self::bcrypt_cost) | 14 |
/// | [`pbkdf2_rounds`](Self::pbkdf2_rounds) | 4,000,000 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct StoredCeiling {
    pub(super) memory_kib: u64,
    pub(super) passes: u32,
    lanes: u32,
    pub(super) bcrypt_cost: u32,
    pub(super) pbkdf2_rounds: u64,
}

impl StoredCeiling {
    /// The most memory of one hash, in MiB. Default: 128. What the hasher's profile takes is always
    /// allowed.
    ///
    /// Once stored hashes demand it, the hasher keeps `memory_mib × arenas`: on 8 cores 1 GiB with 128. An
    /// imported scrypt hash takes its memory beside the arena while it is verified.
    pub const fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_kib = mib as u64 * 1024;
        self
    }

    /// The most passes over the memory of Argon2, and the greatest `p` of scrypt. Default: 10. Each pass over 128 MiB takes a core
    /// for about 80 ms.
    pub const fn passes(mut self, passes: u32) -> Self {
        self.passes = passes;
        self
    }

    /// The most lanes of Argon2. Default: 256. One thread computes all lanes, so that more cost nothing.
    pub const fn lanes(mut self, lanes: u32) -> Self {
        self.lanes = lanes;
        self
    }

    /// The greatest cost of an imported bcrypt hash. Default: 14, about 1 s; most systems use 10 or 12, and
    /// each step doubles the time.
    pub const fn bcrypt_cost(mut self, cost: u32) -> Self {
        self.bcrypt_cost = cost;
        self
    }

    /// The most rounds of an imported PBKDF2 hash: iterations, times the blocks of a long output. Default:
    /// 4,000,000, about 1 s, and four times what Django 5.2 uses.
    pub const fn pbkdf2_rounds(mut self, rounds: u64) -> Self {
        self.pbkdf2_rounds = rounds;
        self
    }

    /// Whether a hasher with this profile may do this work.
    pub(super) fn allows(&self, work: Work, own: Argon2Profile) -> bool {
        match work {
            Work::Argon2(work) if work.profile == own => true,
            Work::Argon2(work) => {
                u64::from(work.profile.memory_kib()) <= self.memory_kib
                    && work.profile.passes() <= self.passes
                    && work.profile.lanes() <= self.lanes
            }
            Work::Imported(work) => work.is_within(self),
        }
    }
}

impl Default for StoredCeiling {
    fn default() -> Self {
        Self {
            memory_kib: 128 * 1024,
            passes: 10,
            lanes: 256,
            bcrypt_cost: 14,
            pbkdf2_rounds: 4_000_000,
        }
    }
}
