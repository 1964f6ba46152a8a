//! The cost of a hash.

use std::{fmt, str::FromStr, time::Duration};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hardpoint_core::Time;

/// The memory, the passes and the lanes of an Argon2id hash (RFC 9106).
///
/// The constructors are the choices of OWASP's password storage cheat sheet, which cost an attacker
/// the same. Less memory allows more concurrent hashes in the same RAM; more memory costs an
/// attacker with special hardware more. Times are for one core of a server.
///
/// A profile is read from and written as the parameters of a PHC string:
/// ```
/// use hardpoint_auth::password::Argon2Profile;
///
/// let profile: Argon2Profile = "m=65536,t=2,p=1".parse()?;
/// assert_eq!(profile.memory_bytes(), 64 << 20);
/// assert_eq!(Argon2Profile::owasp_46_mib().to_string(), "m=47104,t=1,p=1");
/// assert!("m=8192,t=1,p=1".parse::<Argon2Profile>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Argon2Profile {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The least memory in KiB for 1 pass, 2 passes and so on: OWASP's choices.
const LEAST: [u32; 5] = [47_104, 19_456, 12_288, 9_216, 7_168];
/// The most passes that a calibration chooses.
const MOST_PASSES: u32 = 64;

impl Argon2Profile {
    /// 46 MiB and 1 pass, about 25 ms. Also what ASVS 5.0 lists in its appendix.
    pub const fn owasp_46_mib() -> Self {
        Self { memory_kib: LEAST[0], passes: 1, lanes: 1 }
    }

    /// 19 MiB and 2 passes, about 25 ms. The default.
    pub const fn owasp_19_mib() -> Self {
        Self { memory_kib: LEAST[1], passes: 2, lanes: 1 }
    }

    /// 12 MiB and 3 passes.
    pub const fn owasp_12_mib() -> Self {
        Self { memory_kib: LEAST[2], passes: 3, lanes: 1 }
    }

    /// 9 MiB and 4 passes.
    pub const fn owasp_9_mib() -> Self {
        Self { memory_kib: LEAST[3], passes: 4, lanes: 1 }
    }

    /// 7 MiB and 5 passes.
    pub const fn owasp_7_mib() -> Self {
        Self { memory_kib: LEAST[4], passes: 5, lanes: 1 }
    }

    /// 64 KiB and 1 pass: fast enough for the tests of an application, and too weak for anything else.
    #[cfg(any(test, feature = "test"))]
    pub const fn insecure_fast() -> Self {
        Self { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// Raises the passes until a hash takes about `target` on this machine, and never lowers them: what
    /// this returns is at least as strong as `self`. The memory stays as it is.
    ///
    /// It measures three hashes and blocks the thread for as long, so call it at start and on the machine
    /// that serves, before it serves; a busy machine measures too few passes. At most 64. Half a second is
    /// a good target where users log in rarely, and users of a phone wait that long anyway. Every
    /// log-in takes a core for this time.
    ///
    /// Instances that calibrate by themselves choose differently, and each log-in on another one replaces
    /// the hash. So write what this returns into the configuration of all.
    ///
    /// ```
    /// use hardpoint_auth::password::Argon2Profile;
    /// use hardpoint_core::Time;
    /// use std::time::Duration;
    ///
    /// let least = Argon2Profile::owasp_7_mib();
    /// let profile = least.calibrated(Duration::from_millis(250), &Time::default());
    /// println!("password profile: {profile}");
    /// # assert!(profile.passes() >= least.passes());
    /// ```
    pub fn calibrated(self, target: Duration, time: &Time) -> Self {
        let measure = |profile: Self| {
            // Argon2 accepts these parameters, and a failed measurement must not weaken them.
            let params = profile.params().unwrap_or_default();
            let mut memory = vec![Block::new(); params.block_count()];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let mut hash = || {
                let begin = time.now();
                let filled = argon2.fill_memory(b"password", &[0; 16], memory.as_mut_slice());
                filled.map_or(Duration::MAX, |()| time.now().saturating_since(begin))
            };
            // The first one faults the memory in. Other work only ever makes a hash slower.
            let _warm = hash();
            hash().min(hash())
        };
        let each = (measure(self) / self.passes).max(Duration::from_nanos(1));
        let passes = u32::try_from(target.as_nanos() / each.as_nanos()).unwrap_or(u32::MAX);
        Self { passes: passes.clamp(self.passes, MOST_PASSES.max(self.passes)), ..self }
    }

    /// The memory of one hash, in bytes.
    #[must_use]
    pub const fn memory_bytes(self) -> u64 {
        self.memory_kib as u64 * 1024
    }

    /// How often the memory is filled.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// How many lanes the memory has. One thread computes all of them.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    pub(super) const fn from_params(params: &Params) -> Self {
        Self { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() }
    }

    pub(super) fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(Self::OUTPUT))
    }

    /// The length of a new hash's output, and of its salt.
    pub(super) const OUTPUT: usize = 32;
    pub(super) const SALT: usize = 16;

    pub(super) const fn memory_kib(self) -> u32 {
        self.memory_kib
    }
}

impl Default for Argon2Profile {
    fn default() -> Self {
        Self::owasp_19_mib()
    }
}

impl fmt::Display for Argon2Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory_kib, self.passes, self.lanes)
    }
}

impl FromStr for Argon2Profile {
    type Err = ParseProfileError;

    /// Reads `m=…,t=…,p=…`: memory in KiB, passes, lanes.
    ///
    /// # Errors
    /// [`ParseProfileError`] if the text is something else, if Argon2 does not have such parameters, or
    /// if they are weaker than OWASP's choice for that many passes.
    fn from_str(text: &str) -> Result<Self, ParseProfileError> {
        let number = |text: Option<&str>, name: &str| {
            text.and_then(|text| text.strip_prefix(name)?.parse::<u32>().ok())
        };
        let mut parts = text.split(',');
        let read = (
            number(parts.next(), "m="),
            number(parts.next(), "t="),
            number(parts.next(), "p="),
            parts.next(),
        );
        let (Some(memory_kib), Some(passes), Some(lanes), None) = read else {
            return Err(ParseProfileError::Malformed);
        };
        let profile = Self { memory_kib, passes, lanes };
        if profile.params().is_err() {
            return Err(ParseProfileError::Malformed);
        }
        let index =
            usize::try_from(passes - 1).map_or(LEAST.len(), |index| index.min(LEAST.len() - 1));
        match LEAST.get(index) {
            Some(least) if memory_kib < *least => Err(ParseProfileError::Weak { least: *least }),
            _ => Ok(profile),
        }
    }
}

/// A text is not a profile that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProfileError {
    /// It has another form, or Argon2 has no such parameters.
    #[error(
        "the text is not a password profile; write m=47104,t=1,p=1: memory in KiB, passes, lanes"
    )]
    Malformed,
    /// It has less memory than OWASP's choice for this many passes.
    #[error("the password profile is too weak; with this many passes write at least m={least}")]
    Weak {
        /// The least memory, in KiB.
        least: u32,
    },
}
